"""What the training tests share: a recorded shop and its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
from tests.train import shop


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The path of a recorded shop."""
    path = tmp_path / "shop.db"
    shop.record(path).close()
    return path


@pytest.fixture
def recording(store: Path) -> Iterator[Recording]:
    """The recorded shop, open."""
    with Recording(store) as opened:
        yield opened


@pytest.fixture
def tasks(recording: Recording) -> list[Task]:
    """Three tasks to train on and one held out."""
    return shop.tasks(recording)


@pytest.fixture
def tasks_file(tasks: list[Task], tmp_path: Path) -> Path:
    """The tasks as a file."""
    path = tmp_path / "tasks.jsonl"
    write_tasks(path, tasks)
    return path
