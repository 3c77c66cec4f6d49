"""A data set of real servers' answers: cut out with what proves it, exported, shown to a person."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from firefly_agents.synthesizer import prove, synthesize
from firefly_mcp.cli import main
from firefly_mcp.dataset.cut import Cutter
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

SERVERS = Path(__file__).parents[1] / "servers"
SPECS = {name: ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),)) for name in ("calc", "notes")}


async def _walk(client: Client) -> None:
    async def call(tool: str, **arguments: Any) -> Any:
        return (await client.call_tool(tool, arguments)).structured_content

    for a, b, c in ((1234.5, 77.25, 3.5), (904.75, 12.5, 8.0), (77.125, 3021.5, 6.25)):
        total = await call("calc_add", a=a, b=b)
        share = await call("calc_divide", a=total["value"], b=c)
        await call("calc_convert", value=share["value"], unit="km")
    for title, text in (("winter rye", "feed at noon"), ("spelt loaf", "bake at dawn")):
        note = await call("notes_add_note", title=title, text=text)
        await call("notes_get_note", note_id=note["id"])
    await call("notes_list_notes")


async def _record(folder: Path) -> tuple[Path, Path]:
    store, tasks = folder / "firefly.db", folder / "tasks.jsonl"
    origins = {name: f"proven({name})" for name in SPECS}
    with Recording(store, create=True) as recording:
        for kind in ("explore", "confirm"):
            factory = RecordFactory(recording, SPECS, redactor=Redactor(), kind=kind, origins=origins)
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                await _walk(client)
        write_tasks(tasks, (await synthesize(recording)).ledger.admitted)
    return store, tasks


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The recording of two servers, and the tasks that it proves."""
    return anyio.run(_record, tmp_path_factory.mktemp("dataset"))


def command(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(arg) for arg in args])
    return code, *capfd.readouterr()


async def _admitted(store: Path, tasks: list[Task]) -> int:
    with Recording(store) as recording:
        return len((await prove(tasks, recording)).ledger.admitted)


def test_a_cut_recording_holds_less_and_proves_its_tasks_again(
    made: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store, tasks_file = made
    out, fresh = tmp_path / "sample", tmp_path / "fresh.db"
    code, said, _ = command(
        capfd, "export", "--format", "cassette", "--store", store, "--tasks", tasks_file, "--count", 3, "--out", out, "--json"
    )
    assert code == 0
    assert json.loads(said)["tasks"] == 3
    assert command(capfd, "import", out / "recording.jsonl.gz", "--store", fresh)[0] == 0
    tasks = read_tasks(out / "tasks.jsonl")
    assert anyio.run(_admitted, fresh, tasks) == 3
    with Recording(fresh) as part, Recording(store) as whole:
        assert {task.recording.id for task in tasks} == {part.id}
        assert len(list(queries.calls(part))) < len(list(queries.calls(whole)))
        assert {tool.key for tool in queries.tools(part)} == {tool.key for tool in queries.tools(whole)}


def test_the_same_cut_twice_gives_the_same_bytes(
    made: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    args = ("export", "--format", "cassette", "--store", made[0], "--tasks", made[1], "--count", 2, "--seed", 5)
    for name in ("one", "two"):
        assert command(capfd, *args, "--out", tmp_path / name)[0] == 0
    for file in ("recording.jsonl.gz", "tasks.jsonl"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_task_whose_second_observation_is_gone_cannot_be_cut_out_and_is_replaced(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    tasks = read_tasks(made[1])
    spoiled = next(task for task in tasks if task.servers == ["calc"])
    store = tmp_path / "spoiled.db"
    with Recording(made[0]) as recording:
        Cutter(recording).cut(tasks, store)
    answer = spoiled.plan[-1].key
    with Recording(store) as recording:
        recording.db.execute(
            "DELETE FROM call WHERE tool = ? AND session_id IN (SELECT id FROM session WHERE kind = 'confirm')", (answer.tool,)
        )
        left = [task for task in tasks if answer not in {node.key for node in task.plan}]
        found = Cutter(recording).cut([*left, spoiled], tmp_path / "again.db")
    assert found.replaced[spoiled.id] == "stability"
    # A smaller set may be guessed more easily: what else is left out, is so by the gates over the set.
    assert {gate for task, gate in found.replaced.items() if task != spoiled.id} <= {"leakage", "uniqueness"}
    assert {task.id for task in found.tasks} == {task.id for task in left} - set(found.replaced)


def test_the_splits_of_a_synthesised_set_share_nothing(made: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    code, said, _ = command(capfd, "tasks", "check", "--store", made[0], "--tasks", made[1], "--json")
    assert code == 0
    assert json.loads(said)["clean"] is True


def test_tasks_put_into_splits_by_row_are_found_contaminated(
    made: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [task.model_copy(update={"split": ("train", "test")[at % 2]}) for at, task in enumerate(read_tasks(made[1]))]
    twin = rows[0].model_copy(update={"id": "t-twin", "split": "test"})
    write_tasks(tmp_path / "rows.jsonl", [*rows, twin])
    code, said, err = command(capfd, "tasks", "check", "--store", made[0], "--tasks", tmp_path / "rows.jsonl", "--json")
    shared = json.loads(said)["shared"]
    assert code == 1
    assert all(shared[what] for what in ("plans", "answering_calls", "near_duplicate_requests"))
    assert "contaminated" in err


def test_a_task_is_shown_with_its_bindings_in_words_and_what_was_recorded(
    made: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    task = next(task for task in read_tasks(made[1]) if any(node.bindings for node in task.plan))
    code, said, _ = command(capfd, "tasks", "show", task.id[:12], "--store", made[0], "--tasks", made[1])
    assert code == 0
    assert task.request in said
    assert " from n" in said
    assert "recorded as call" in said
    assert all(f"{name} = " in said for name in task.answer)
    assert "passed  stability" in said


def test_tasks_are_listed_by_server_kind_and_split(made: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    tasks = read_tasks(made[1])
    code, said, _ = command(capfd, "tasks", "list", "--tasks", made[1], "--server", "notes", "--split", "train", "--json")
    assert code == 0
    assert {task["id"] for task in json.loads(said)} == {t.id for t in tasks if "notes" in t.servers and t.split == "train"}
    code, _, err = command(capfd, "tasks", "list", "--tasks", made[1], "--server", "nobody")
    assert code == 2
    assert "calc, notes" in err


def test_a_hub_folder_loads_and_its_card_tells_splits_gates_and_licences(
    made: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    code, _, _ = command(capfd, "export", "--format", "hf", "--store", made[0], "--tasks", made[1], "--out", tmp_path / "hub")
    assert code == 0
    tasks = {task.id: task for task in read_tasks(made[1])}
    files = sorted((tmp_path / "hub" / "data").glob("*.parquet"))
    rows = [row for file in files for row in parquet.read_table(file).to_pylist()]
    assert {file.name.partition("-")[0] for file in files} == {task.split for task in tasks.values()}
    assert {row["id"] for row in rows} == tasks.keys()
    for row in rows:
        task = tasks[row["id"]]
        assert json.loads(row["answer"]) == task.answer
        called = [call["function"]["name"] for message in row["messages"] for call in message["tool_calls"] or ()]
        assert called == [*(node.exposed_name for node in task.plan), "submit_answer"]
        offered = {tool["function"]["name"] for tool in json.loads(row["tools"])}
        assert offered == {*task.tools, "submit_answer"}
    card = (tmp_path / "hub" / "README.md").read_text()
    assert card.startswith("---\n")
    assert all(f"  - split: {split}\n" in card for split in {task.split for task in tasks.values()})
    assert "| stability |" in card
    assert "| calc |" in card
