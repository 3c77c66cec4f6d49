"""What the README shows has been run: its client configurations, and its examples."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from firefly_mcp.servers.config import load_servers
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording

ROOT = Path(__file__).resolve().parents[2]
NOTES = str(ROOT / "tests/servers/notes.py")
FIREFLY = (sys.executable, "-m", "firefly_mcp")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL) if '"command"' in block]


def test_the_readme_shows_a_configuration_for_desktop_clients_and_for_vs_code() -> None:
    assert [next(iter(json.loads(block))) for block in BLOCKS] == ["mcpServers", "servers"]


@pytest.mark.parametrize("block", BLOCKS, ids=["desktop", "vscode"])
async def test_a_client_started_from_the_readmes_configuration_is_recorded(tmp_path: Path, block: str) -> None:
    config = tmp_path / "servers.json"
    config.write_text(block)
    (spec,) = load_servers(config).values()
    assert spec.command is not None
    assert spec.command.endswith("/firefly")
    store = tmp_path / "firefly.db"
    before, after = list(spec.args[: spec.args.index("--") + 1]), [sys.executable, NOTES]
    args = [str(store) if arg.endswith("firefly.db") else arg for arg in before] + after
    server = StdioServerParameters(command=FIREFLY[0], args=[*FIREFLY[1:], *args], env={**os.environ})
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        assert "add_note" in [tool.name for tool in (await session.list_tools()).tools]
        added = await session.call_tool("add_note", {"title": "bees"})
    with Recording(store) as recording:
        (call,) = queries.calls(recording, method="tools/call")
    assert (call.tool, call.arguments) == ("add_note", {"title": "bees"})
    assert call.result is not None
    assert call.result["structuredContent"] == added.structured_content


async def test_the_openai_agents_example_works_through_record_and_then_without_the_server(tmp_path: Path) -> None:
    try:
        importlib.metadata.version("openai-agents")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("openai-agents is not installed: pip install 'firefly-mcp[agents]'")
    from agents.items import ModelResponse, TResponseStreamEvent
    from agents.usage import Usage
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from agents import Model, set_tracing_disabled

    set_tracing_disabled(True)

    class Clerk(Model):
        """Adds a note, then says what the tool answered."""

        async def get_response(self, *_: Any, **request: Any) -> ModelResponse:
            said = [item["output"] for item in request["input"] if item.get("type") == "function_call_output"]
            output: Any = ResponseFunctionToolCall(
                arguments='{"title": "bees"}', call_id="c1", name="add_note", type="function_call"
            )
            if said:
                text = ResponseOutputText(text=json.dumps(said[0]), type="output_text", annotations=[])
                output = ResponseOutputMessage(id="m", content=[text], role="assistant", status="completed", type="message")
            return ModelResponse(output=[output], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
            raise NotImplementedError

    main: Any = runpy.run_path(str(ROOT / "docs/examples/agent.py"), run_name="example")["main"]
    store = str(tmp_path / "firefly.db")
    live = await main([*FIREFLY, "record", "--store", store, "--", sys.executable, NOTES], "Note: bees", Clerk())
    replayed = await main([*FIREFLY, "replay", "--store", store, "--no-provenance"], "Note: bees", Clerk())
    assert "note-" in live
    assert replayed == live


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_the_readmes_session_is_replayed_to_the_same_answers(tmp_path: Path) -> None:
    package = re.search(r"mcp-server-sqlite==[\d.]+", README)
    assert package
    server = ["uvx", "--with", "mcp<2", package[0], "--db-path", str(tmp_path / "bee.sqlite")]
    environment = {**os.environ, "PATH": os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])}

    def session(*command: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(ROOT / "docs/examples/session.py"), *FIREFLY, *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=280, env=environment, check=False)

    live = session("record", "--store", str(tmp_path / "bee.db"), "--", *server)
    if (live.returncode and "did not start" in live.stderr) or "exited with code" in live.stderr:
        pytest.skip(f"{package[0]} cannot be started here: {live.stderr.strip().splitlines()[-1][:300]}")
    assert live.returncode == 0, live.stderr
    assert live.stdout in README.replace("\n    ", "\n")
    (tmp_path / "bee.sqlite").unlink()
    replayed = session("replay", "--store", str(tmp_path / "bee.db"))
    assert (replayed.returncode, replayed.stdout) == (0, live.stdout)
