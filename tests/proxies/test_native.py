"""Server processes that speak the stateless era themselves are spoken to in it, also by several clients at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import aiohttp
import mcp.types as types
import pytest
from mcp import Client
from mcp.shared.subscriptions import ToolsListChanged

from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from tests.proxies.harness import Proxy, Specs, children_of, gone

ERA = "2026-07-28"
FIXTURE = ServerSpec(name="fixture", command=sys.executable, args=("-m", "tests.conformance.server"))
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": ERA, "io.modelcontextprotocol/clientCapabilities": {}}


async def answer(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={name: name.upper() for name in params.requested_schema["properties"]})


def text(result: Any) -> str:
    return str(result.content[0].text)


@pytest.mark.parametrize("query", ["", "?session=mine"])
async def test_questions_and_their_state_pass_between_server_and_client_as_they_are(
    query: str, proxy: Proxy, recording: Recording
) -> None:
    async with proxy(FIXTURE) as url, Client(url + query, mode=ERA, elicitation_callback=answer) as client:
        assert text(await client.call_tool("test_input_required_result_multi_round", {})) == "NAME likes COLOR"
        assert text(await client.call_tool("test_input_required_result_request_state", {})) == "confirm: OK; state-ok"
    rounds = [call for call in queries.calls(recording) if call.tool == "test_input_required_result_multi_round"]
    kinds = [call.result and call.result["resultType"] for call in rounds]
    assert kinds == ["input_required", "input_required", "complete"]
    (connection,) = queries.connections(recording)
    assert connection.initialize["supportedVersions"] == [ERA]
    (session,) = queries.sessions(recording)
    assert (session.protocol_version, session.client_info["name"]) == (ERA, "mcp")


async def test_clients_that_share_a_process_hear_of_their_own_requests_alone(proxy: Proxy, recording: Recording) -> None:
    heard: list[list[float]] = [[], []]

    async def use(client: Client, steps: list[float]) -> None:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)

    async with proxy(FIXTURE) as url, Client(url, mode=ERA) as one, Client(url, mode=ERA) as two:
        await asyncio.gather(use(one, heard[0]), use(two, heard[1]))
        async with (
            one.listen(tools_list_changed=True) as tools,
            two.listen(prompts_list_changed=True) as prompts,
            two.listen(tools_list_changed=True) as others,
        ):
            await one.call_tool("test_trigger_tool_change", {})
            async with asyncio.timeout(10):
                assert isinstance(await anext(tools), ToolsListChanged)
                assert isinstance(await anext(others), ToolsListChanged)
                await two.call_tool("test_trigger_prompt_change", {})
                assert "Prompts" in type(await anext(prompts)).__name__
    assert heard == [[0, 50, 100], [0, 50, 100]]
    calls = {call.tool: call.overlaps for call in queries.calls(recording, method="tools/call")}
    assert calls["test_trigger_tool_change"] == 0  # the open subscriptions do not count


async def test_headers_are_checked_for_a_server_that_cannot_see_them(proxy: Proxy, recording: Recording) -> None:
    headers = {
        "Accept": "application/json, text/event-stream",
        "Mcp-Protocol-Version": ERA,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "test_custom_header",
    }
    params = {"name": "test_custom_header", "arguments": {"region": "eu"}, "_meta": ENVELOPE}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with proxy(FIXTURE) as url, aiohttp.ClientSession() as http:
        for sent, status in (({}, 400), ({"Mcp-Param-Region": "us"}, 400), ({"Mcp-Param-Region": "eu"}, 200)):
            async with http.post(url, json=message, headers={**headers, **sent}) as reply:
                assert reply.status == status
                body = await reply.json()
                assert body["id"] == 1
                assert body.get("error", {}).get("code") == (-32020 if status == 400 else None)
    assert [call.tool for call in queries.calls(recording)] == ["test_custom_header"]  # what is refused was never asked


async def test_a_call_that_its_client_gives_up_is_cancelled_at_the_server(
    proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    import anyio

    async with proxy(spec("chatty")) as url, Client(url, mode=ERA) as client:
        with anyio.CancelScope() as scope:

            async def cancel(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await client.call_tool("wait_for_ever", {}, progress_callback=cancel)
        assert text(await client.call_tool("count_to", {"n": 0})) == "counted to 0"
    assert [(call.tool, call.status) for call in queries.calls(recording)] == [
        ("wait_for_ever", "cancelled"),
        ("count_to", "done"),
    ]


async def test_log_messages_reach_the_client_that_wants_them(proxy: Proxy, spec: Specs) -> None:
    heard: list[Any] = []

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        heard.append(params.data)

    async with proxy(spec("chatty")) as url:
        async with Client(url, mode=ERA, logging_callback=log, log_level="info") as client:
            await client.call_tool("count_to", {"n": 2})
        assert heard == ["at 1", "at 2"]


async def test_a_server_without_the_handshake_era_is_reached_by_clients_that_try_both(
    proxy: Proxy, spec: Specs, recording: Recording
) -> None:
    async with proxy(spec("bad", "modern")) as url, Client(url, mode="auto") as client:
        assert client.protocol_version == ERA
        result = await client.call_tool("go", {"n": 1})
        assert json.loads(text(result))["seen"]["arguments"] == {"n": 1}
    assert [call.status for call in queries.calls(recording)] == ["done"]


async def test_a_server_that_is_silent_on_discovery_is_spoken_to_in_the_handshake_era(
    proxy: Proxy, spec: Specs, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firefly_proxies.stateless.PROBE_SECONDS", 0.5)
    async with proxy(spec("bad", "deaf")) as url, Client(url, mode=ERA) as client:
        assert not (await client.call_tool("go", {})).is_error
    (connection,) = queries.connections(recording)
    assert connection.protocol_version == "2025-11-25"


async def test_a_server_that_does_not_start_is_told_to_stateless_clients(proxy: Proxy, spec: Specs) -> None:
    async with proxy(spec("bad", "exits")) as url, aiohttp.ClientSession() as http:
        headers = {"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": ERA, "Mcp-Method": "tools/list"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}}
        for _ in range(2):
            async with http.post(url, json=message, headers=headers) as reply:
                assert "no license found" in (await reply.json())["error"]["message"]


async def test_a_client_that_leaves_while_its_server_starts_leaves_no_process_behind(proxy: Proxy, spec: Specs) -> None:
    before = set(children_of(os.getpid()))
    async with proxy(spec("bad", "hangs")) as url, Client(url, mode=ERA) as client:
        asking = asyncio.create_task(client.list_tools())
        async with asyncio.timeout(10):
            while not (started := set(children_of(os.getpid())) - before):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await gone(started)
