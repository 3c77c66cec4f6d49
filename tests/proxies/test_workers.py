"""Several processes on one port: a session has one state, whichever of its connections a request comes over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from mcp import Client

from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, Command, children_of, gone, running_firefly

HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
META = "_meta"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of the notes server: the list before and after each of three notes."""
    path = tmp_path_factory.mktemp("recorded") / "a.db"

    async def record() -> None:
        spec = ServerSpec(name="notes", command=sys.executable, args=(str(SERVERS / "notes.py"),))
        with Recording(path, create=True) as recording:
            factory = RecordFactory(recording, {"notes": spec}, redactor=Redactor())
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                await client.call_tool("list_notes", {})
                for number in range(3):
                    await client.call_tool("add_note", {"title": f"note {number}", "text": "x" * 50_000})
                    await client.call_tool("list_notes", {})

    anyio.run(record)
    return path


class Raw:
    """A client that chooses its connections: each request of ``fresh`` goes over a new one."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.session = ""

    async def post(self, method: str, params: dict[str, Any], **headers: str) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        own = {"mcp-session-id": self.session} if self.session else {}
        async with self.http.post(self.url, json=message, headers={**HEADERS, **own, **headers}) as answer:
            self.session = answer.headers.get("mcp-session-id", self.session)
            assert answer.status == 200, await answer.text()
            return json.loads(await answer.read())

    async def begin(self) -> None:
        client = {"name": "raw", "version": "1"}
        await self.post("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})

    async def call(self, tool: str, arguments: dict[str, Any], name: str | None = None) -> Any:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if name is not None:
            params[META] = {"firefly/session": name}
        return (await self.post("tools/call", params))["result"]

    async def walk(self, name: str | None = None) -> list[Any]:
        """The recorded calls; how many notes each list shows, and what was answered from."""
        seen = []
        for number in range(3):
            seen.append(await self.call("list_notes", {}, name))
            seen.append(await self.call("add_note", {"title": f"note {number}", "text": "x" * 50_000}, name))
        seen.append(await self.call("list_notes", {}, name))
        return [(one[META]["firefly/match"], one.get("structuredContent", {}).get("count")) for one in seen]


WALKED = [("exact", 0), ("exact", None), ("exact", 1), ("exact", None), ("exact", 2), ("exact", None), ("exact", 3)]


async def ready(command: Command) -> str:
    return (await command.until("listening on")).split()[-1]


async def test_sessions_keep_their_state_over_any_connections_and_every_worker_logs(store: Path) -> None:
    async with running_firefly("replay", "--store", str(store), "--http", "0", "--workers", "2") as command:
        url = await ready(command)
        fresh = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=fresh) as apart, aiohttp.ClientSession() as shared:
            clients = [Raw(http, url) for http in (apart, shared) for _ in range(4)]
            for client in clients:
                await client.begin()
            walks = await asyncio.gather(*(client.walk() for client in clients))
            one_connection = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=one_connection) as mixed:
                mixing = [Raw(mixed, url) for _ in range(4)]
                for client in mixing:
                    await client.begin()
                walks += await asyncio.gather(*(client.walk() for client in mixing))
        assert walks == [WALKED] * 12
        assert {client.session.partition("-")[0] for client in clients + mixing} == {"0", "1"}
        workers = [pid for pid in children_of(command.process.pid) if "multiprocessing.spawn" in cmdline(pid)]
        assert len(workers) == 2
        assert await command.stop() == 0
        await gone(workers)
    with Recording(store) as recording:
        replayed = [session for session in queries.sessions(recording, kind="replay") if session.calls]
        assert sorted(session.calls for session in replayed) == [7] * 12


async def test_a_named_session_is_one_whoever_names_it(store: Path) -> None:
    async with running_firefly("replay", "--store", str(store), "--http", "0", "--workers", "2") as command:
        url = await ready(command)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            clients = [Raw(http, url) for _ in range(4)]
            for client in clients:
                await client.begin()
            for name in ("one", "two", "three"):
                seen = []
                for number in range(3):
                    seen.append((await clients[number].call("list_notes", {}, name))["structuredContent"]["count"])
                    await clients[-1].call("add_note", {"title": f"note {number}", "text": "x" * 50_000}, name)
                assert seen == [0, 1, 2]
            assert [await client.walk() for client in clients] == [WALKED] * 4  # their own sessions have not moved
            for name in ("four", "five", "six"):
                by_url = [Raw(http, f"{url}?session={name}") for _ in range(2)]
                for client in by_url:
                    await client.begin()
                assert await by_url[0].walk() == WALKED
                assert (await by_url[1].call("list_notes", {}))["structuredContent"]["count"] == 3


async def test_workers_need_a_port(store: Path) -> None:
    async with running_firefly("replay", "--store", str(store), "--workers", "2") as command:
        code, _, errors = await command.finish()
    assert code == 2
    assert "give --http PORT" in errors


async def test_when_a_worker_dies_the_others_stop_and_it_is_said(store: Path) -> None:
    async with running_firefly("replay", "--store", str(store), "--http", "0", "--workers", "2") as command:
        await ready(command)
        workers = [pid for pid in children_of(command.process.pid) if "multiprocessing.spawn" in cmdline(pid)]
        os.kill(workers[0], signal.SIGKILL)
        code, _, errors = await command.finish()
        assert code == 2
        assert "a replay worker ended by itself" in errors
        await gone(workers)


async def test_workers_end_with_a_parent_that_is_killed(store: Path) -> None:
    async with running_firefly("replay", "--store", str(store), "--http", "0", "--workers", "2") as command:
        await ready(command)
        workers = [pid for pid in children_of(command.process.pid) if "multiprocessing.spawn" in cmdline(pid)]
        await command.stop(signal.SIGKILL)
        await gone(workers, within=15)


def cmdline(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
