"""Servers at a URL: the relay in front of real HTTP servers, and of some that behave oddly."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web
from mcp import Client

from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.serve import listen
from tests.proxies.harness import SERVERS, Proxy

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def at(url: str, **settings: Any) -> ServerSpec:
    return ServerSpec(name="remote", url=url, transport=settings.pop("transport", "http"), **settings)


@asynccontextmanager
async def sdk_server(name: str, *, sse: bool = False, **settings: Any) -> AsyncIterator[str]:
    """A server of tests/servers over HTTP, in this process."""
    sys.path.insert(0, str(SERVERS))
    try:
        found = importlib.util.spec_from_file_location(f"http_{name}", SERVERS / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        sys.path.remove(str(SERVERS))
    app = module.server.sse_app() if sse else module.server.streamable_http_app(**settings)
    sock = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[sock])
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/{'sse' if sse else 'mcp'}"
    finally:
        server.force_exit = False
        await server.shutdown(sockets=[sock])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def odd_server(post: Handler, get: Handler | None = None, delete: Handler | None = None) -> AsyncIterator[str]:
    """A server that is not the SDK's."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=405)

    app = web.Application()
    app.router.add_post("/mcp", post)
    app.router.add_get("/mcp", get or refuse)
    app.router.add_delete("/mcp", delete or refuse)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    sock = listen("127.0.0.1", 0)
    await web.SockSite(runner, sock).start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
    finally:
        await runner.cleanup()


def hello(message: dict[str, Any]) -> dict[str, Any]:
    result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_server_at_a_url_is_recorded_in_the_era_that_its_client_speaks(
    mode: str, as_json: bool, proxy: Proxy, recording: Recording
) -> None:
    async with (
        sdk_server("calc", json_response=as_json) as upstream,
        proxy(at(upstream)) as url,
        Client(url, mode=mode) as client,
    ):
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        results = await asyncio.gather(*(client.call_tool("add", {"a": n, "b": 1}) for n in range(5)))
        assert [result.structured_content["value"] for result in results] == [1, 2, 3, 4, 5]
    calls = list(queries.calls(recording, method="tools/call"))
    assert sorted(call.arguments["a"] for call in calls) == [0, 1, 2, 3, 4]
    assert {call.status for call in calls} == {"done"}
    assert len(queries.tools(recording)) == 4
    # a stateless client that names no session has one for each request
    sessions = [session for session in queries.sessions(recording) if session.calls]
    assert len(sessions) == (1 if mode == "legacy" else 5)
    assert {session.protocol_version for session in sessions} == {"2025-11-25" if mode == "legacy" else "2026-07-28"}
    assert {session.client_info["name"] for session in sessions} == {"mcp"}


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_messages_of_a_server_at_a_url_reach_the_client_on_both_streams(proxy: Proxy) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(type(message).__name__)
        if "ListChanged" in heard[-1]:
            changed.set()

    async def sample(context: Any, params: Any) -> Any:
        import mcp.types as types

        return types.CreateMessageResult(role="assistant", content=types.TextContent(text="yes"), model="m")

    changed = asyncio.Event()
    async with (
        sdk_server("chatty") as upstream,
        proxy(at(upstream)) as url,
        Client(url, mode="legacy", message_handler=hear, sampling_callback=sample) as client,
    ):
        answer = await client.call_tool("ask_model", {"question": "?"})
        assert answer.content[0].text == "the model says: yes"  # type: ignore[union-attr]
        await client.call_tool("grow", {"name": "taller"})
        async with asyncio.timeout(10):
            await changed.wait()


async def test_the_older_sse_transport_is_spoken_upstream(proxy: Proxy, recording: Recording) -> None:
    async with (
        sdk_server("calc", sse=True) as upstream,
        proxy(at(upstream, transport="sse")) as url,
        Client(url, mode="legacy") as client,
    ):
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content["value"] == 2
    assert [call.status for call in queries.calls(recording)] == ["done"]


async def test_a_401_and_its_challenge_reach_the_client_and_its_token_the_server(proxy: Proxy) -> None:
    seen: list[str | None] = []
    challenge = 'Bearer resource_metadata="https://auth.example/meta"'

    async def post(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        if seen[-1] is None:
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return web.json_response(hello(await request.json()))

    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    async with odd_server(post) as upstream, proxy(at(upstream)) as url, aiohttp.ClientSession() as http:
        async with http.post(url, json=message, headers=HEADERS) as reply:
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, challenge)
            assert "it wants authorization (401)" in (await reply.json())["error"]["message"]
        async with http.post(url, json=message, headers={**HEADERS, "Authorization": "Bearer mine"}) as reply:
            assert (await reply.json())["result"]["serverInfo"]["name"] == "odd"
    assert seen == [None, "Bearer mine"]


async def test_configured_headers_are_sent_and_a_lost_session_is_told_as_404(proxy: Proxy) -> None:
    headers: list[Any] = []

    async def post(request: web.Request) -> web.StreamResponse:
        headers.append(request.headers)
        message = await request.json()
        if message["method"] == "initialize":
            return web.json_response(hello(message), headers={"Mcp-Session-Id": "upstream-1"})
        return web.Response(status=404 if message["method"] == "tools/call" else 202)

    deleted: list[str] = []

    async def delete(request: web.Request) -> web.StreamResponse:
        deleted.append(request.headers["Mcp-Session-Id"])
        return web.Response()

    spec_headers = {"X-Key": "${REMOTE_KEY}"}
    async with (
        odd_server(post, delete=delete) as upstream,
        proxy(at(upstream, headers=spec_headers), variables={"REMOTE_KEY": "k"}) as url,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(
            url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}, headers=HEADERS
        ) as reply:
            session = {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"]}
        assert session["Mcp-Session-Id"] != "upstream-1"
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with http.post(url, json=note, headers={**HEADERS, **session}) as reply:
            assert reply.status == 202
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "x"}}
        async with http.post(url, json=call, headers={**HEADERS, **session}) as reply:
            assert reply.status == 404
            assert "has ended the session; initialize again" in (await reply.json())["error"]["message"]
    assert {sent["X-Key"] for sent in headers} == {"k"}
    assert [sent.get("Mcp-Session-Id") for sent in headers[:2]] == [None, "upstream-1"]
    assert headers[1]["Mcp-Protocol-Version"] == "2025-11-25"
    assert deleted == []  # the server had forgotten it


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>hello</html>", "answered 200 with what is not MCP: '<html>hello</html>'"),
        (500, b"boom", "answered 500: 'boom'"),
        (404, b"", "answered 404; is this the endpoint?"),
        (400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"own words"}}', "own words"),
    ],
)
async def test_an_address_that_is_no_mcp_server_is_told_clearly(status: int, body: bytes, said: str, proxy: Proxy) -> None:
    async def post(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type="application/json")

    async with odd_server(post) as upstream, proxy(at(upstream)) as url, aiohttp.ClientSession() as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        async with http.post(url, json=message, headers=HEADERS) as reply:
            assert said in (await reply.json())["error"]["message"]


async def test_a_stream_that_is_cut_is_taken_up_where_it_ended(proxy: Proxy) -> None:
    resumed: list[str] = []

    async def post(request: web.Request) -> web.StreamResponse:
        message = await request.json()
        if message["method"] == "initialize":
            return web.json_response(hello(message))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b"id: e1\nretry: 1\ndata:\n\n")
        return stream  # ends here, without an answer

    async def get(request: web.Request) -> web.StreamResponse:
        resumed.append(request.headers["Last-Event-ID"])
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        answer = {"jsonrpc": "2.0", "id": 2, "result": {"content": [], "late": True}}
        await stream.write(b"id: e2\r\ndata: " + json.dumps(answer).encode() + b"\r\n\r\n")
        return stream

    async with odd_server(post, get=get) as upstream, proxy(at(upstream)) as url, aiohttp.ClientSession() as http:
        async with http.post(
            url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}, headers=HEADERS
        ) as reply:
            session = {**HEADERS, "Mcp-Session-Id": reply.headers["Mcp-Session-Id"]}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "x"}}
        async with http.post(url, json=call, headers=session) as reply:
            assert (await reply.json())["result"]["late"] is True
    assert set(resumed) == {"e1"}
