from __future__ import annotations

from pathlib import Path

import pytest

from firefly_mcp.errors import UsageError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import observe
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.proof import objections, strict_replay
from firefly_mcp.tasks.selection import select
from firefly_train.demonstrations import demonstrate
from firefly_train.varied import varied


def test_variations_are_proven_on_a_copy_that_proves_the_recorded_tasks_too(
    tasks: list[Task], store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "varied.db"
    changed = varied(tasks, store, out, copies=5, seed=1)
    assert len(changed) > 2 * len(tasks)
    assert len({task.id for task in changed}) == len(changed)
    recorded = {str(value) for task in tasks for value in (task.answer["total"], task.request)}
    with Recording(out) as recording:
        replay = strict_replay(recording)
        for task in changed:
            assert {verdict.gate for verdict in objections(task, replay)} <= {"stability", "completeness"}
            proof = task.evidence["total"]
            assert select(observe(task, replay).result(proof.node), proof.select) == task.answer["total"]
            assert task.recording.id == recording.id
            assert {"find_customer", "list_orders"} <= set(task.tools)
            assert "submit_answer" not in task.tools
        demonstrate([*tasks, *changed], recording)
    assert sum(task.request not in recorded and str(task.answer["total"]) not in recorded for task in changed) > len(tasks)
    with Recording(store) as recording:
        assert recording.db.execute("SELECT count(*) FROM session").fetchall() == [(4,)]


def test_the_same_seed_gives_the_same_variations(tasks: list[Task], store: Path, tmp_path: Path) -> None:
    first, again, other = (
        varied(tasks, store, tmp_path / name, copies=2, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert [(task.id, task.request, task.answer) for task in first] == [(task.id, task.request, task.answer) for task in again]
    assert {task.request for task in first} != {task.request for task in other}


def test_nothing_is_written_over(tasks: list[Task], store: Path) -> None:
    with pytest.raises(UsageError, match="is one of the recordings"):
        varied(tasks, store, store, copies=1, seed=1)
