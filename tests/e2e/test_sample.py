"""The sample that comes with the package: it is small, names nothing of the machine it was made on, and proves its tasks."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import anyio
import pytest

from firefly_agents.synthesizer import prove
from firefly_mcp.cli import main
from firefly_mcp.data import SAMPLE
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks

VERIFIED = 40
"""So many of its tasks are proven again here; 'firefly verify' proves all of them in a few minutes."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "out"
    assert main(["tasks", "sample", "--out", str(folder)]) == 0
    return folder


async def _admitted(store: Path, tasks: list[Task]) -> list[str]:
    with Recording(store) as recording:
        ledger = (await prove(tasks, recording)).ledger
    assert not ledger.rejected, ledger.rejected[0].verdicts[-1]
    return [task.id for task in ledger.admitted]


def test_tasks_of_the_sample_are_proven_again_from_a_fresh_recording(unpacked: Path) -> None:
    tasks = read_tasks(unpacked / "tasks.jsonl")
    some = tasks[:: max(1, len(tasks) // VERIFIED)]
    assert anyio.run(_admitted, unpacked / "firefly.db", some) == [task.id for task in some]


def test_splits_of_the_sample_share_nothing(unpacked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks, store = unpacked / "tasks.jsonl", unpacked / "firefly.db"
    assert main(["tasks", "check", "--tasks", str(tasks), "--store", str(store), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["clean"] is True
    assert set(told["splits"]) == {"train", "test", "test_server"}


def test_the_sample_is_not_unpacked_over_another_recording(unpacked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "sample", "--out", str(unpacked)]) == 2
    assert "is there already" in capfd.readouterr().err


def test_the_sample_is_small_and_holds_no_path_of_a_home_and_no_key() -> None:
    assert sum(file.stat().st_size for file in SAMPLE.iterdir()) < 8_000_000
    with gzip.open(SAMPLE / "recording.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            found = re.search(r"/root/|/home/(?!user)\w+/\.|\.cache/uv|\bghp_\w{20}|\bsk-\w{20}|AKIA[0-9A-Z]{16}", line)
            assert not found, found
