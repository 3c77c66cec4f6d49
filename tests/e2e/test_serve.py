"""``firefly serve`` as a command, with subjects of every make: over HTTP, on standard streams, from Python and from npm."""

from __future__ import annotations

import importlib.metadata
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from httpx2 import AsyncClient
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_proxies.plans import execute_plan, label_of
from firefly_proxies.task_results import read_results
from tests.proxies import noted
from tests.proxies.harness import Command, running_firefly

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
NPM_SDK = "@modelcontextprotocol/sdk@1.32.2"
pytestmark = pytest.mark.timeout(240)  # each starts a process, and a busy machine takes its time
CONTROL = {"authorization": "Bearer control-token"}


class Files:
    """A recording, its tasks, and where results go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "notes.db"
        self.tasks_file = folder / "tasks.jsonl"
        self.results = folder / "results.jsonl"
        noted.record(self.store)
        with Recording(self.store) as recording:
            self.tasks: list[Task] = noted.tasks(recording)
        write_tasks(self.tasks_file, self.tasks)

    @property
    def arguments(self) -> list[str]:
        return ["--store", str(self.store), "--tasks", str(self.tasks_file), "--results", str(self.results)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def addresses(process: Command) -> tuple[str, str]:
    """The URLs of the tasks and of the control endpoint."""
    url = (await process.until("listening on")).rpartition(" ")[2]
    control = re.search(r"control at (\S+),", process.errors)
    assert control
    return url, control[1]


async def test_tasks_are_served_over_http_and_results_survive_a_kill(files: Files) -> None:
    options = ["--http", "0", "--control-token", "control-token", "--blind"]
    async with running_firefly("serve", *files.arguments, *options) as process, AsyncClient() as http:
        url, control = await addresses(process)
        task = files.tasks[0]
        async with Client(f"{url}/tasks/{task.id}/mcp", mode="legacy") as client:
            answer = label_of(task, await execute_plan(task, client))
            told = await client.call_tool("submit_answer", {"answer": answer})
        assert told.structured_content == {"accepted": True}
        summary = (await http.get(f"{control}/results", headers=CONTROL)).json()["summary"]
        assert (summary["sessions"], summary["reward"]) == (1, 1.0)
        process.process.kill()
        await process.process.wait()
    (result,) = read_results(files.results)
    assert (result["task"], result["reward"], result["by_match"]) == (task.id, 1.0, {"exact": 3})


async def test_a_stopped_server_ends_cleanly_and_says_nothing_on_stdout(files: Files) -> None:
    async with running_firefly("serve", *files.arguments, "--http", "0") as process:
        url, _ = await addresses(process)
        async with Client(f"{url}/tasks/{files.tasks[0].id}/mcp", mode="legacy") as client:
            await client.call_tool("notes_list_notes", {})
            process.process.terminate()
            out, _ = await process.process.communicate()
    assert (process.process.returncode, out) == (0, b"")
    assert [result["ended"] for result in read_results(files.results)] == ["stopped"]


async def test_one_task_is_served_on_standard_streams(files: Files) -> None:
    task = files.tasks[1]
    argv = ["-m", "firefly_mcp", "serve", *files.arguments, "--task", task.id]
    async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=argv))) as client:
        assert task.request in getattr((await client.get_prompt("task")).messages[0].content, "text", "")
        answer = label_of(task, await execute_plan(task, client))
        told = await client.call_tool("submit_answer", {"answer": answer})
    assert told.structured_content == {"accepted": True, "reward": 1.0}
    assert [result["reward"] for result in read_results(files.results)] == [1.0]


async def test_a_task_on_standard_streams_can_be_stopped(files: Files) -> None:
    async with running_firefly("serve", *files.arguments, "--task", files.tasks[0].id) as process:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        call = {"name": "notes_list_notes", "arguments": {}}
        for number, (method, params) in enumerate((("initialize", hello), ("tools/call", call))):
            await process.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())
            assert json.loads(await process.receive())["id"] == number
        assert await process.stop() == 0
    assert [result["ended"] for result in read_results(files.results)] == ["stopped"]


async def test_an_openai_agents_program_is_a_subject(files: Files) -> None:
    try:
        importlib.metadata.version("openai-agents")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("openai-agents is not installed: pip install 'firefly-mcp[agents]'")
    from agents.items import ModelResponse, TResponseStreamEvent
    from agents.usage import Usage
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from agents import Model, set_tracing_disabled

    set_tracing_disabled(True)
    title, note_id = next(iter(noted.TITLES.items()))
    script: list[tuple[str, dict[str, Any]]] = [
        ("notes_add_note", {"title": title}),
        ("notes_list_notes", {}),
        ("submit_answer", {"answer": {"count": 1, "note_id": note_id}}),
    ]

    class Scripted(Model):
        """Makes the calls of the script, then says that it is done."""

        async def get_response(self, *_: Any, **request: Any) -> ModelResponse:
            done = sum(item.get("type") == "function_call_output" for item in request["input"])
            output: Any
            if done < len(script):
                name, arguments = script[done]
                output = ResponseFunctionToolCall(
                    arguments=json.dumps(arguments), call_id=f"c{done}", name=name, type="function_call"
                )
            else:
                text = ResponseOutputText(text="done", type="output_text", annotations=[])
                output = ResponseOutputMessage(id="m", content=[text], role="assistant", status="completed", type="message")
            return ModelResponse(output=[output], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
            raise NotImplementedError

    main: Any = runpy.run_path(str(EXAMPLES / "subject.py"), run_name="example")["main"]
    async with running_firefly("serve", *files.arguments, "--http", "0") as process:
        url, _ = await addresses(process)
        assert await main(f"{url}/tasks/{files.tasks[0].id}/mcp", Scripted()) == "done"
    (result,) = read_results(files.results)
    assert (result["reward"], [step["name"] for step in result["trajectory"]]) == (1.0, [name for name, _ in script[:-1]])


@pytest.mark.servers
@pytest.mark.timeout(300)
async def test_a_javascript_program_is_a_subject(files: Files) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed: the npm client cannot be run")
    shutil.copy(EXAMPLES / "subject.mjs", files.folder / "subject.mjs")
    install = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(files.folder), NPM_SDK]
    fetched = await anyio.to_thread.run_sync(lambda: subprocess.run(install, capture_output=True, text=True, check=False))
    if fetched.returncode:
        pytest.skip(f"{NPM_SDK} cannot be had from npm here: {fetched.stderr.strip()[:200]}")
    title, note_id = next(iter(noted.TITLES.items()))
    calls = json.dumps([["notes_add_note", {"title": title}], ["notes_list_notes", {}]])
    answer = json.dumps({"count": 1, "note_id": note_id})
    async with running_firefly("serve", *files.arguments, "--http", "0") as process:
        url, _ = await addresses(process)
        argv = [node, str(files.folder / "subject.mjs"), f"{url}/tasks/{files.tasks[0].id}/mcp", calls, answer]
        ran = await anyio.to_thread.run_sync(lambda: subprocess.run(argv, capture_output=True, text=True, check=False))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"accepted": True, "reward": 1.0}
    assert files.tasks[0].request in ran.stderr
    (result,) = read_results(files.results)
    assert (result["client"]["name"], result["reward"]) == ("subject.mjs", 1.0)


BAD: list[tuple[list[str], str]] = [
    ([], "give --http PORT"),
    (["--task", "t-0"], "no task t-0; see 'firefly tasks list"),
    (["--http", "0", "--task", "t-0"], "--task serves one task on standard streams"),
    (["--http", "0", "--split", "held-out"], "no tasks to serve"),
    (["--http", "0", "--results", "/no/such/folder/results.jsonl"], "choose another with --results"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=["neither", "unknown", "both", "split", "results"])
def test_what_cannot_be_served_is_said_in_one_line(
    files: Files, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    from firefly_mcp.cli.main import main

    assert main(["serve", *files.arguments, *options]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_the_wrong_recording_is_refused_in_one_line(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from firefly_mcp.cli.main import main

    wrong = tmp_path / "other.db"
    with Recording(wrong, create=True) as recording:
        recording.snapshot_tools("notes", noted.TOOLS["notes"])
        recording.snapshot_tools("calc", noted.TOOLS["calc"])
        session = recording.begin_session("record")
        call = session.begin_call("calc", "tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})
        session.end_call(call, result={"content": []})
    assert main(["serve", *files.arguments, "--http", "0", "--store", str(wrong)]) == 2
    errors = capsys.readouterr().err
    assert "use the recording that it was made from" in errors
    assert (str(wrong) in errors, errors.count("\n")) == (True, 1)


async def test_the_python_example_attempts_every_task_without_a_server(files: Files) -> None:
    main: Any = runpy.run_path(str(EXAMPLES / "attempt.py"), run_name="example")["main"]
    assert await main(str(files.store), str(files.tasks_file)) == [0.0] * len(files.tasks)
