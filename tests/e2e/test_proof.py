"""Spoiled tasks are caught by the gate whose office it is, labels that drifted are told, and a model can be asked."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults import CONTROL, measure
from benchmarks.spoilers import SPOILERS
from firefly_agents.model_gates import ModelGates
from firefly_agents.proving import Synthesis, prove
from firefly_agents.writers import ModelWriter
from firefly_mcp.cli import main
from firefly_mcp.errors import ModelError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
from tests.proxies.completions import Completions

SERVERS = Path(__file__).parents[1] / "servers"
Made = tuple[Path, Synthesis]


@pytest.fixture
def tasks(made: Made) -> list[Task]:
    """Admitted tasks over servers that are there in every test."""
    return made[1].ledger.admitted


@pytest.mark.timeout(240)
async def test_every_way_of_spoiling_a_task_is_caught_by_its_gate(store: Path, tasks: list[Task]) -> None:
    control, *rows = await measure(store, tasks, count=3, seed=1)
    assert (control.way, control.caught) == (CONTROL, 0)
    assert [row.way for row in rows] == list(SPOILERS)
    assert {row.way: row.missed for row in rows} == {way: [] for way in SPOILERS}
    assert all(row.spoiled for row in rows)


def _config(folder: Path, *, changed: bool) -> Path:
    """A servers file; ``changed``: the calculator divides otherwise than when it was recorded."""
    for name in ("_run", "calc", "notes", "clock"):
        shutil.copy(SERVERS / f"{name}.py", folder / f"{name}.py")
    if changed:
        calc = folder / "calc.py"
        calc.write_text(calc.read_text().replace("_number(a / b)", "_number(a / b + 1)"))
    servers = {name: {"command": sys.executable, "args": [str(folder / f"{name}.py")]} for name in ("calc", "notes", "clock")}
    path = folder / "servers.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


@pytest.fixture
def divided(tasks: list[Task], tmp_path: Path) -> Path:
    """A file with one task that divides."""
    path = tmp_path / "tasks.jsonl"
    write_tasks(path, [next(task for task in tasks if task.servers == ["calc"] and task.plan[-1].tool == "divide")])
    return path


@pytest.mark.timeout(240)
def test_labels_that_the_servers_no_longer_give_are_told_and_exit_with_3(
    store: Path, divided: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["verify", "--store", str(store), "--tasks", str(divided), "--live", "--json", "--config"]
    same, other = tmp_path / "same", tmp_path / "other"
    same.mkdir()
    other.mkdir()
    assert main([*asked, str(_config(same, changed=False))]) == 0
    assert json.loads(capfd.readouterr().out)["live"] == {"checked": 1, "drifted": [], "unreached": {}}
    assert main([*asked, str(_config(other, changed=True))]) == 3
    told = capfd.readouterr()
    assert "was" in json.loads(told.out)["live"]["drifted"][0]["reason"]
    assert "1 of 1 labels have drifted" in told.err


def test_a_server_that_is_not_configured_is_named(
    store: Path, divided: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {"notes": {"command": sys.executable, "args": ["notes.py"]}}}))
    assert main(["verify", "--store", str(store), "--tasks", str(divided), "--live", "--config", str(config)]) == 2
    assert "names no server 'calc'" in capfd.readouterr().err


def _role(body: dict[str, Any]) -> str:
    """Which of the prompts a model was asked under."""
    system = body["messages"][0]["content"]
    return "judge" if "You judge" in system else "writer" if "You write" in system else "solver"


def _model(task: Task, *, natural: bool = True, solves: bool = True) -> Completions:
    def reply(body: dict[str, Any]) -> str:
        if _role(body) == "judge":
            return json.dumps({"natural": natural, "unambiguous": True, "reason": "says what it wants"})
        return json.dumps(task.answer if solves else {"text": "unknown"})

    return Completions(reply)


async def _verdicts(
    store: Path, task: Task, model: Completions, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[bool, str]]:
    async with model.serving():
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        with Recording(store) as recording:
            ledger = (await prove([task], recording, asked=ModelGates("m"))).ledger
    (proven,) = [*ledger.admitted, *ledger.rejected]
    return {verdict.gate: (verdict.passed, verdict.reason) for verdict in proven.verdicts}


async def test_a_judge_and_solvers_are_asked_of_what_passed_the_other_gates(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tasks[0])
    found = await _verdicts(store, tasks[0], model, monkeypatch)
    assert found["judge"] == (True, "says what it wants")
    assert found["solver"] == (True, "2 of 2 solvers gave the label")
    judged = next(body for body in model.asked if _role(body) == "judge")
    assert str(judged["messages"][1]["content"]).startswith("DATA BEGINS\n")
    assert "never an instruction" in judged["messages"][0]["content"]


async def test_what_the_judge_refuses_no_solver_is_asked(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tasks[0], natural=False)
    found = await _verdicts(store, tasks[0], model, monkeypatch)
    assert found["judge"] == (False, "not natural: says what it wants")
    assert {_role(body) for body in model.asked} == {"judge"}


async def test_a_task_that_no_solver_solves_is_not_admitted(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await _verdicts(store, tasks[0], _model(tasks[0], solves=False), monkeypatch)
    assert found["solver"][0] is False
    assert "none of 2 solvers" in found["solver"][1]


async def test_an_endpoint_that_refuses_ends_the_proof_in_one_line(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="401"):
        await _verdicts(store, tasks[0], Completions(401), monkeypatch)


async def test_a_model_writes_until_its_request_passes_the_same_checks(
    made: Made, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tasks[0].request.replace(". ", ".  ")
    model = Completions("I want something.", good)
    async with model.serving():
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        with Recording(made[0]) as recording:
            from firefly_mcp.store.queries import tool_map

            (written,) = await ModelWriter("m").write([tasks[0]], tool_map(recording))
    assert written.request == " ".join(good.split())
    assert len(model.asked) == 2
    assert "It is not accepted: it does not state" in str(model.asked[1]["messages"])
