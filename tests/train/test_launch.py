"""What is refused, and when: before the minutes of a warm start, and with nothing left running."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_train import checks, launch
from firefly_train.children import Children
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.fit import lengths
from tests.train.words import Words

WORDS = "actor_rollout_ref.rollout.multi_turn.format=words"
"""The form of calls of a template that is not Hermes'."""


class WarmStartedError(Exception):
    """Nothing was in the way of the warm start."""


@dataclass
class Pupil:
    """A policy that tells what it would learn from, and goes no further."""

    path: str = "nowhere"
    tokenizer: Words = field(default_factory=Words)
    lessons: list[Demonstration] = field(default_factory=list)

    def ready(self, preset: Any, training: Sequence[Demonstration], **_: Any) -> None:
        self.lessons = list(training)
        raise WarmStartedError


@pytest.fixture
def pupil(monkeypatch: pytest.MonkeyPatch) -> Pupil:
    """The policy of every run of the test."""
    made = Pupil()
    monkeypatch.setattr(checks, "check_installed", dict)
    monkeypatch.setattr(launch, "policy_of", lambda *_, **__: made)
    return made


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started."""
    found: list[Any] = []
    start = Children.start

    def started(self: Children, *arguments: Any, **named: Any) -> Any:
        found.append(start(self, *arguments, **named))
        return found[-1]

    monkeypatch.setattr(Children, "start", started)
    return found


def train(tasks: Path, store: Path, out: Path, *overrides: str) -> None:
    with suppress(WarmStartedError):
        launch.train(launch.Order(tasks, store, "smoke", out, overrides=(WORDS, *overrides)), lambda line: None)


def test_a_limit_that_would_cut_evidence_is_refused_before_the_warm_start(
    pupil: Pupil, proxies: list[Any], tasks_file: Path, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="would cut a result"):
        train(tasks_file, store, tmp_path / "run", "actor_rollout_ref.rollout.multi_turn.max_tool_response_length=3")
    assert not pupil.lessons
    assert [process.poll() is not None for process in proxies] == [True]


def test_the_warm_start_learns_from_what_fits_the_lengths_asked_for(
    pupil: Pupil, tasks: list[Task], recording: Recording, store: Path, tmp_path: Path
) -> None:
    mixed = [shorter(tasks[0]), *tasks[1:]]
    longest = prompt_of(pupil, mixed[0], recording)
    train(written(mixed, tmp_path), store, tmp_path / "all")
    assert [shown.task.id for shown in pupil.lessons] == [task.id for task in mixed if task.split == "train"]
    train(written(mixed, tmp_path), store, tmp_path / "few", f"data.max_prompt_length={longest}")
    assert [shown.task.id for shown in pupil.lessons] == [mixed[0].id]


def test_when_only_held_out_tasks_fit_there_is_no_warm_start(
    pupil: Pupil, tasks: list[Task], recording: Recording, store: Path, tmp_path: Path
) -> None:
    mixed = [*tasks[:-1], shorter(tasks[-1])]
    longest = prompt_of(pupil, mixed[-1], recording)
    with pytest.raises(TaskError, match="nothing to train on"):
        train(written(mixed, tmp_path), store, tmp_path / "run", f"data.max_prompt_length={longest}")
    assert not pupil.lessons


def shorter(task: Task) -> Task:
    """The same task with fewer tools, so that its prompt is shorter."""
    return task.model_copy(update={"tools": [name for name in task.tools if name != "list_hours"]})


def prompt_of(pupil: Pupil, task: Task, recording: Recording) -> int:
    return lengths(pupil.tokenizer, demonstrate([task], recording)[0])[0]


def written(tasks: list[Task], folder: Path) -> Path:
    path = folder / "mixed.jsonl"
    write_tasks(path, tasks)
    return path
