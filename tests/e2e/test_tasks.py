"""From recorded sessions of real servers to proven tasks; and every way of spoiling a task is caught by its gate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_agents.bench.runner import bench
from firefly_agents.bench.subjects import Oracle
from firefly_agents.proving import Synthesis, prove
from firefly_mcp.errors import TaskError
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Proof, Task, read_tasks, write_tasks
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

CALC = ServerSpec(name="calc", command=sys.executable, args=(str(Path(__file__).parents[1] / "servers" / "calc.py"),))


def chain(made: tuple[Path, Synthesis]) -> Task:
    """The admitted task with three calculations in a row."""
    return next(task for task in made[1].ledger.admitted if [node.tool for node in task.plan] == ["add", "divide", "divide"])


def test_chains_are_admitted_with_a_verdict_of_every_gate(made: tuple[Path, Synthesis]) -> None:
    task = chain(made)
    assert [v.gate for v in task.verdicts] == [
        "evidence",
        "binding",
        "determinacy",
        "completeness",
        "leakage",
        "necessity",
        "stability",
        "shortcut",
        "execution",
        "uniqueness",
    ]
    assert all(verdict.passed for verdict in task.verdicts)
    assert task.answer["text"] == f"{(1234.5 + 77.25) / 3.5 / 1.5:g}"
    assert made[1].replay.keys() == {"exact"}


def _takes_the_time(task: Task) -> bool:
    clocks = {node.id for node in task.plan if node.server == "clock"}
    taken = [(binding.source, binding.select) for node in task.plan for binding in node.bindings]
    taken += [(proof.node, proof.select) for proof in task.evidence.values()]
    return any(node in clocks and "seconds" in str(select) for node, select in taken)


def test_a_volatile_value_is_rejected_as_unstable(made: tuple[Path, Synthesis]) -> None:
    ledger = made[1].ledger
    assert {task.verdicts[-1].gate for task in ledger.rejected if _takes_the_time(task)} == {"stability"}
    assert not any(map(_takes_the_time, ledger.admitted))


async def _verdict(store: Path, task: Task) -> str:
    with Recording(store) as recording:
        ledger = (await prove([task], recording)).ledger
    return ledger.rejected[0].verdicts[-1].gate if ledger.rejected else "admitted"


def _changed(task: Task, **update: Any) -> Task:
    return Task.model_validate({**task.model_dump(mode="json", by_alias=True), **update})


def _wrong_answer(task: Task) -> Task:
    return _changed(task, answer={name: f"1{value}" for name, value in task.answer.items()})


def _moved_path(task: Task) -> Task:
    return _changed(task, evidence={name: Proof(node="n1", select=p.select).model_dump() for name, p in task.evidence.items()})


def _bare_index(task: Task) -> Task:
    select = {"path": "$.steps[0]", "only": True}
    return _changed(task, evidence={name: {"node": p.node, "select": select} for name, p in task.evidence.items()})


def _leaked(task: Task) -> Task:
    value = next(iter(task.answer.values()))
    return _changed(task, request=f"{task.request} (About {value}, I think.)")


def _literal_missing(task: Task) -> Task:
    return _changed(task, request=task.request.replace("77.25", "some"))


def _literal_extra(task: Task) -> Task:
    return _changed(task, request=f'{task.request} Mind the "green" one.')


def _unnecessary_call(task: Task) -> Task:
    plan = [node.model_dump(mode="json", by_alias=True) for node in task.plan]
    extra = {"id": "n0", "server": "calc", "tool": "add", "exposed_name": "calc_add", "arguments": {"a": 1234.5, "b": 77.25}}
    return _changed(task, plan=[extra, *plan])


def _unbound(task: Task) -> Task:
    plan = [node.model_dump(mode="json", by_alias=True) for node in task.plan]
    plan[1]["bindings"] = []
    return _changed(task, plan=plan)


SPOILED: list[tuple[Callable[[Task], Task], set[str]]] = [
    (_wrong_answer, {"evidence"}),
    (_moved_path, {"evidence"}),
    (_bare_index, {"evidence", "determinacy"}),
    (_leaked, {"completeness", "leakage"}),
    (_literal_missing, {"completeness"}),
    (_literal_extra, {"completeness"}),
    (_unnecessary_call, {"necessity"}),
    (_unbound, {"execution"}),
]


@pytest.mark.parametrize(("spoil", "gates"), SPOILED, ids=[spoil.__name__.strip("_") for spoil, _ in SPOILED])
async def test_a_spoiled_task_is_caught_by_its_gate(
    made: tuple[Path, Synthesis], store: Path, spoil: Callable[[Task], Task], gates: set[str]
) -> None:
    task = chain(made)
    assert await _verdict(store, task) == "admitted"
    without_digest = _changed(task, recording={"id": task.recording.id, "digest": ""})
    assert await _verdict(store, spoil(without_digest)) in gates


async def test_the_same_task_twice_is_admitted_once(made: tuple[Path, Synthesis], store: Path) -> None:
    with Recording(store) as recording:
        ledger = (await prove([chain(made)] * 2, recording)).ledger
    assert ledger.summary() == {"candidates": 2, "admitted": 1, "rejected": {"uniqueness": 1}}


async def test_one_observation_alone_is_unproven(made: tuple[Path, Synthesis], store: Path) -> None:
    with Recording(store) as recording:
        recording.db.execute(
            "UPDATE connection SET origin = 'unknown' WHERE session_id IN (SELECT id FROM session WHERE kind = 'confirm')"
        )
    assert await _verdict(store, chain(made)) == "stability"


async def test_tasks_of_another_recording_are_refused_in_one_line(made: tuple[Path, Synthesis], tmp_path: Path) -> None:
    foreign = tmp_path / "other.db"
    with Recording(foreign, create=True) as recording:
        factory = RecordFactory(recording, {"calc": CALC}, redactor=Redactor())
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.list_tools()
            await client.call_tool("add", {"a": 1, "b": 2})
        with pytest.raises(TaskError, match="made from another recording"):
            await prove([chain(made)], recording)


async def test_the_oracle_solves_every_task_without_a_miss(made: tuple[Path, Synthesis], store: Path) -> None:
    with Recording(store) as recording:
        report = await bench(made[1].ledger.admitted, recording, Oracle(), k=2)
    assert report["pass@1"] == report["pass^k"] == 1.0
    assert set(report["by_match"]) == {"exact"}


def test_tasks_survive_their_file_and_a_damaged_line_is_named(made: tuple[Path, Synthesis], tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    write_tasks(path, made[1].ledger.admitted)
    assert read_tasks(path) == made[1].ledger.admitted
    path.write_bytes(path.read_bytes() + b'{"id": "t-1"}\n')
    with pytest.raises(TaskError, match=rf"line {len(made[1].ledger.admitted) + 1} is not a task"):
        read_tasks(path)
