"""Tasks rest on recorded sessions: what is forgotten takes them along, and says so."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from firefly_agents.synthesizer import synthesize
from firefly_mcp.forget import forget
from firefly_mcp.jsonio import loads
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.prune import Choice
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

CALC = ServerSpec(name="calc", command=sys.executable, args=(str(Path(__file__).parents[1] / "servers/calc.py"),))


async def _record(path: Path) -> None:
    with Recording(path, create=True) as recording:
        for kind in ("explore", "confirm"):
            origins = {"calc": "proven(calc)"}
            factory = RecordFactory(recording, {"calc": CALC}, redactor=Redactor(), kind=kind, origins=origins)
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                total: Any = (await client.call_tool("add", {"a": 81234.5, "b": 77.25})).structured_content
                share: Any = (await client.call_tool("divide", {"a": total["value"], "b": 3.5})).structured_content
                await client.call_tool("divide", {"a": share["value"], "b": 1.5})
        await synthesize(recording)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forgetting") / "a.db"
    anyio.run(_record, path)
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "a.db"))


def tasks(path: Path) -> dict[str, tuple[str, Any]]:
    with Recording(path) as recording:
        rows = recording.db.execute("SELECT id, status, task FROM task").fetchall()
    return {str(number): (str(status), loads(str(task))) for number, status, task in rows}


def test_a_task_whose_answers_are_still_there_loses_its_proof_and_keeps_its_words(store: Path) -> None:
    before = tasks(store)
    admitted = {number for number, (status, _) in before.items() if status == "admitted"}
    assert admitted
    report = forget(store, Choice(kind="confirm"))
    after = tasks(store)
    assert {number for number, (status, _) in after.items() if status == "unproven"} == admitted
    assert all("stability" in report.tasks[number][1] for number in admitted)
    assert all(after[number][1] == before[number][1] for number in before)
    with Recording(store) as recording:
        gates = recording.db.execute("SELECT task_id FROM verdict WHERE gate = 'recording' AND NOT passed").fetchall()
    assert {number for (number,) in gates} == admitted


def test_a_task_whose_answers_are_gone_is_a_mark_without_any_of_its_values(store: Path) -> None:
    numbers = set(tasks(store))
    assert b"81234.5" in store.read_bytes()
    forget(store, Choice(ids=frozenset({1, 2})))
    after = tasks(store)
    assert set(after) == numbers
    for number, (status, task) in after.items():
        assert (status, task["id"], task["forgotten"]) == ("forgotten", number, True)
        assert not {"request", "answer", "plan", "evidence"} & set(task)
    left = b"".join(file.read_bytes() for file in store.parent.glob("a.db*"))
    assert b"81234.5" not in left
    assert b"81311.75" not in left  # their sum, which was the server's answer


def test_a_dry_run_says_which_tasks_would_fall(store: Path) -> None:
    before = tasks(store)
    would = forget(store, Choice(kind="confirm"), dry_run=True)
    assert tasks(store) == before
    assert would.tasks == forget(store, Choice(kind="confirm")).tasks
