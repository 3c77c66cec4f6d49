"""Recording what real clients do with real servers, over every transport, in both protocol eras."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fastmcp
import mcp.types as types
import pytest
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from firefly_mcp.redact import Redactor
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from tests.proxies.harness import SERVERS, Proxy, Specs, stored_bytes

MODES = ["legacy", "auto", "2026-07-28"]


@asynccontextmanager
async def sdk(url: str, mode: str = "legacy", **settings: Any) -> AsyncIterator[Client]:
    async with Client(url, mode=mode, **settings) as client:
        yield client


async def use_notes(client: Client) -> None:
    added = await client.call_tool("add_note", {"title": "milk", "text": "two litres", "tags": ["shop"]})
    note_id = added.structured_content["id"]
    read = await client.call_tool("get_note", {"note_id": note_id})
    assert read.structured_content == added.structured_content
    assert (await client.call_tool("get_note", {"note_id": "nope"})).is_error
    assert (await client.read_resource("notes://all")).contents[0].text == "milk"  # type: ignore[union-attr]
    prompt = await client.get_prompt("summarize", {"style": "short"})
    assert "milk" in prompt.messages[0].content.text  # type: ignore[union-attr]
    completion = await client.complete(types.PromptReference(name="summarize"), {"name": "style", "value": "sh"})
    assert completion.completion.values == ["short", "shouted"]


def assert_notes_recorded(recording: Recording) -> None:
    calls = list(queries.calls(recording))
    assert [(call.method, call.tool, call.status) for call in calls if call.method != "tools/list"] == [
        ("tools/call", "add_note", "done"),
        ("tools/call", "get_note", "done"),
        ("tools/call", "get_note", "done"),
        ("resources/read", None, "done"),
        ("prompts/get", None, "done"),
        ("completion/complete", None, "done"),
    ]
    assert calls[0].arguments == {"title": "milk", "text": "two litres", "tags": ["shop"]}
    assert calls[0].result is not None
    assert calls[1].arguments == {"note_id": calls[0].result["structuredContent"]["id"]}
    assert [call.is_error for call in calls] == [False, False, True, False, False, False]
    assert all(call.duration_ms and call.duration_ms > 0 for call in calls)
    names = [tool.name for tool in queries.tools(recording)]
    assert names == ["add_note", "get_note", "list_notes", "delete_note", "where"]
    (session,) = queries.sessions(recording)
    assert session.ended_at is not None
    assert session.client_info["name"] == "mcp"
    (connection,) = queries.connections(recording)
    assert connection.server == "notes"
    assert connection.initialize["capabilities"]["tools"] is not None


@pytest.mark.parametrize("mode", MODES)
async def test_every_request_of_an_sdk_client_is_recorded_over_http(
    mode: str, proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    async with proxy(spec("notes")) as url, sdk(url, mode) as client:
        assert client.protocol_version == ("2026-07-28" if mode == "2026-07-28" else "2025-11-25")
        await use_notes(client)
    assert_notes_recorded(recording)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_every_request_of_an_sdk_client_is_recorded_over_stdio(mode: str, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    command = ["-m", "firefly_mcp", "record", "--store", str(store), "--", sys.executable, str(SERVERS / "notes.py")]
    async with Client(StdioServerParameters(command=sys.executable, args=command), mode=mode) as client:
        assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25")
        await use_notes(client)
    with Recording(store) as recording:
        assert_notes_recorded(recording)
        assert [session.transport for session in queries.sessions(recording)] == ["stdio"]


async def test_the_fastmcp_client_is_recorded(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    async with proxy(spec("calc")) as url, fastmcp.Client(url) as client:
        assert {tool.name for tool in await client.list_tools()} == {"add", "divide", "convert", "slow_add"}
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == {"value": 3.0, "text": "3"}
    (call,) = queries.calls(recording)
    assert (call.tool, call.arguments) == ("add", {"a": 1, "b": 2})


async def test_the_openai_agents_client_is_recorded_over_http(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    async with proxy(spec("calc")) as url, MCPServerStreamableHttp({"url": url}) as server:
        assert len(await server.list_tools()) == 4
        result = await server.call_tool("divide", {"a": 1, "b": 4})
        assert result.structured_content == {"value": 0.25, "text": "0.25"}
    (call,) = queries.calls(recording)
    assert (call.tool, call.arguments) == ("divide", {"a": 1, "b": 4})


async def test_the_openai_agents_client_is_recorded_over_stdio(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    command = ["-m", "firefly_mcp", "record", "--store", str(store), "--", sys.executable, str(SERVERS / "calc.py")]
    async with MCPServerStdio({"command": sys.executable, "args": command}, client_session_timeout_seconds=30) as server:
        await server.call_tool("add", {"a": 2, "b": 2})
    with Recording(store) as recording:
        assert [call.tool for call in queries.calls(recording)] == ["add"]


async def test_each_http_session_has_a_server_of_its_own(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    async with proxy(spec("notes")) as url, sdk(url) as one, sdk(url) as two:
        await one.call_tool("add_note", {"title": "mine"})
        assert (await two.call_tool("list_notes", {})).structured_content == {"count": 0, "notes": []}
        pids = {(await client.call_tool("where", {})).structured_content["pid"] for client in (one, two)}
        assert len(pids) == 2
    assert [session.calls for session in queries.sessions(recording)] == [2, 2]


async def test_stateless_clients_that_name_a_session_keep_it_and_others_share_one(
    proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    async with proxy(spec("notes")) as url:
        async with sdk(f"{url}?session=mine", "2026-07-28") as named:
            await named.call_tool("add_note", {"title": "mine"})
        async with sdk(url, "2026-07-28") as first:
            await first.call_tool("add_note", {"title": "shared"})
        async with sdk(url, "2026-07-28") as second, sdk(f"{url}?session=mine", "2026-07-28") as again:
            for client, title in ((second, "shared"), (again, "mine")):
                listed = (await client.call_tool("list_notes", {})).structured_content
                assert [note["title"] for note in listed["notes"]] == [title]
    assert sorted((session.key == "mine", session.calls) for session in queries.sessions(recording)) == [(False, 2), (True, 2)]


async def test_paginated_lists_are_kept_whole(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    async with proxy(spec("paged")) as url, sdk(url) as client:
        first = await client.list_tools()
        assert [tool.name for tool in first.tools] == ["tool_0", "tool_1", "tool_2"]
        assert first.next_cursor == "3"
        assert len((await client.list_tools(cursor="6")).tools) == 1
        # the client did not see all pages, so the proxy asks for them itself with the first call
        await client.call_tool("tool_5", {"cursor": "2"})
        await client.call_tool("tool_6", {})
    assert [tool.name for tool in queries.tools(recording)] == [f"tool_{number}" for number in range(7)]


@pytest.mark.parametrize("mode", MODES)
async def test_a_server_that_talks_during_a_call_reaches_its_client_and_the_recording(
    mode: str, proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    steps: list[Any] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        steps.append(params.data)

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text="forty-two"), model="m")

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"colour": "red"})

    callbacks = {"logging_callback": log, "sampling_callback": sample, "elicitation_callback": elicit}
    level = {"log_level": "info"} if mode == "2026-07-28" else {}
    async with proxy(spec("chatty", "--handshake")) as url, sdk(url, mode, **callbacks, **level) as client:
        await client.call_tool("count_to", {"n": 2}, progress_callback=on_progress)
        assert steps == [(1, 2, "step 1"), "at 1", (2, 2, "step 2"), "at 2"]
        for tool, said in (("ask_model", "the model says: forty-two"), ("ask_user", "the user says: accept red")):
            result = await client.call_tool(tool, {"question": "?"})
            assert result.content[0].text == said  # type: ignore[union-attr]
    rows = recording.db.execute(
        "SELECT c.tool, e.direction, e.message, e.offset_ms FROM call_event e JOIN call c ON c.id = e.call_id"
    )
    told = [(tool, direction, message, offset) for tool, direction, message, offset in rows]
    assert [tool for tool, *_ in told] == ["count_to"] * 4 + ["ask_model"] * 2 + ["ask_user"] * 2
    assert [direction for _, direction, *_ in told[4:]] == ["to_client", "to_server"] * 2
    assert "forty-two" in str(told[5][2])
    offsets = [offset for *_, offset in told[:4]]
    assert offsets == sorted(offsets)
    assert all(offset > 0 for offset in offsets)


async def test_a_changed_tool_list_is_told_and_recorded_again(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    changed: list[str] = []

    async def hear(message: Any) -> None:
        changed.append(type(message).__name__)

    async with proxy(spec("chatty")) as url, sdk(url, message_handler=hear) as client:
        await client.call_tool("grow", {"name": "bigger"})
        assert (await client.call_tool("bigger", {})).content[0].text == "bigger"  # type: ignore[union-attr]
        await client.call_tool("count_to", {"n": 0})
    assert "bigger" in [tool.name for tool in queries.tools(recording)]
    assert "ToolListChangedNotification" in changed


async def test_a_cancelled_call_is_recorded_as_cancelled_and_its_server_told(
    proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    import anyio

    async with proxy(spec("chatty")) as url, sdk(url) as client:
        with anyio.CancelScope() as scope:

            async def cancel(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await client.call_tool("wait_for_ever", {}, progress_callback=cancel)
        assert (await client.call_tool("count_to", {"n": 0})).content[0].text == "counted to 0"  # type: ignore[union-attr]
    assert [(call.tool, call.status) for call in queries.calls(recording)] == [
        ("wait_for_ever", "cancelled"),
        ("count_to", "done"),
    ]


async def test_what_is_stored_is_redacted_and_what_is_passed_on_is_not(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    redactor = Redactor(["hunter2secret"])
    token = "ghp_" + "a1B2c3D4e5" * 4
    async with proxy(spec("notes"), redactor=redactor) as url, sdk(url) as client:
        added = await client.call_tool("add_note", {"title": "t", "text": f"hunter2secret and {token}"})
        assert added.structured_content["text"] == f"hunter2secret and {token}"
    stored = stored_bytes(recording.path)
    assert b"hunter2secret" not in stored
    assert token.encode() not in stored
    assert sum(redactor.counts.values()) > 0


async def test_labels_kind_and_origin_are_kept_with_the_session(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    settings: dict[str, Any] = {"labels": {"episode": 7}, "kind": "explore", "origins": {"bad": "proven(fresh)"}}
    async with proxy(spec("bad", "fine"), **settings) as url, sdk(url) as client:
        await client.call_tool("go", {})
    (session,) = queries.sessions(recording)
    assert (session.kind, session.labels) == ("explore", {"episode": 7})
    assert session.config["servers"]["bad"]["args"][1] == "fine"
    (connection,) = queries.connections(recording)
    assert connection.origin == "proven(fresh)"
