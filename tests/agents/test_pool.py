"""Server processes are shared, bounded in number, and called at their pace."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from firefly_agents.pool import Pace, ServerPool
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.connect import Connector
from firefly_proxies.messages import RequestId
from firefly_proxies.upstream import Upstream

BAD = str(Path(__file__).parent.parent / "servers" / "bad.py")


def spec(name: str) -> ServerSpec:
    return ServerSpec(name=name, command=sys.executable, args=(BAD, "fine"))


async def ignore(message: JsonObject, related: RequestId | None) -> None:
    return


def sandboxes(folder: Path) -> int:
    return len(list(folder.iterdir()))


async def process_of(upstream: Upstream) -> int:
    """The id of the process behind an upstream."""
    await upstream.request({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "go"}}
    answer = await upstream.request(call)
    return int(answer["result"]["content"][0]["text"].rpartition('"pid": ')[2].rstrip("}"))


async def test_one_process_serves_many_sessions_of_a_server_that_may_be_shared(tmp_path: Path) -> None:
    pool = ServerPool(Connector(sandbox=tmp_path, tidy=True), lambda server: server == "shared")
    try:
        shared = [await process_of(await pool.connect(spec("shared"), ignore)) for _ in range(2)]
        own = [await pool.connect(spec("own"), ignore) for _ in range(2)]
        assert shared[0] == shared[1]
        assert len({await process_of(one) for one in own}) == 2
        for one in own:
            await one.close()
    finally:
        await pool.close()


async def test_idle_processes_end_where_too_many_live_and_those_in_use_stay(tmp_path: Path) -> None:
    starts: list[int] = []
    pool = ServerPool(Connector(sandbox=tmp_path, tidy=True), lambda server: True, lambda: starts.append(1), live=2)
    try:
        used = await pool.connect(spec("used"), ignore)
        idle = await pool.connect(spec("idle"), ignore)
        await idle.close()
        third = await pool.connect(spec("third"), ignore)
        assert sandboxes(tmp_path) == 2  # the idle one is gone, with its own
        assert not used.ended
        assert await process_of(used) != await process_of(third)
        await pool.connect(spec("used"), ignore)
        assert len(starts) == 3
        await pool.connect(spec("idle"), ignore)
        assert len(starts) == 4
    finally:
        await pool.close()


async def test_sessions_that_begin_at_once_do_not_end_the_same_idle_process_twice(tmp_path: Path) -> None:
    pool = ServerPool(Connector(sandbox=tmp_path, tidy=True), lambda server: server.startswith("idle"), live=1)
    try:
        for opened in [await pool.connect(spec(f"idle{number}"), ignore) for number in range(3)]:
            await opened.close()
        for one in await asyncio.gather(*(pool.connect(spec(f"own{number}"), ignore) for number in range(3))):
            await one.close()
        assert sandboxes(tmp_path) == 0
    finally:
        await pool.close()


def test_calls_of_one_server_are_spaced() -> None:
    pace = Pace(2)
    assert [pace.book(100.0) for _ in range(3)] == [0.0, 0.5, 1.0]
    assert pace.book(200.0) == 0.0
    assert [Pace(None).book(1.0) for _ in range(2)] == [0.0, 0.0]
