"""A hostile server gets nowhere: what it tries from inside a sandbox, and how far it gets."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.child import can_unshare
from firefly_proxies.confine import landlock_version
from firefly_proxies.connect import Connector
from firefly_proxies.fence import MOST, _parents
from firefly_proxies.messages import RequestId
from firefly_proxies.sandbox import common_place
from firefly_proxies.upstream import Upstream

HOSTILE = ServerSpec(
    name="hostile", command=sys.executable, args=(str(Path(__file__).parent.parent / "servers" / "hostile.py"),)
)


async def ignore(message: JsonObject, related: RequestId | None) -> None:
    return


@asynccontextmanager
async def hostile(folder: Path, **settings: Any) -> AsyncIterator[Upstream]:
    connector = Connector(sandbox=folder, start_seconds=30, tidy=True, **settings)
    upstream = await connector.connect(HOSTILE, ignore)
    try:
        await upstream.request({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
        yield upstream
    finally:
        await upstream.close()
        await connector.close()


def inside(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def runs(pid: int) -> bool:
    try:
        return "time.sleep(600)" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


async def tries(upstream: Upstream, tool: str, **arguments: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = await upstream.request(message)
    return json.loads(answer["result"]["content"][0]["text"])


async def test_it_finds_no_credentials_in_its_environment(tmp_path: Path) -> None:
    parent = {**os.environ, "OPENAI_API_KEY": "k", "MY_TOKEN": "k", "AWS_SECRET_ACCESS_KEY": "k", "UV_PUBLISH_TOKEN": "k"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in parent.items():
            patch.setenv(name, value)
        async with hostile(tmp_path) as upstream:
            assert await tries(upstream, "keys") == []


@pytest.mark.skipif(landlock_version() == 0, reason="this system has no Landlock")
async def test_it_writes_to_its_own_place_and_nowhere_else(tmp_path: Path) -> None:
    precious = tmp_path / "outside" / "precious"
    precious.parent.mkdir()
    precious.write_text("precious")
    async with hostile(tmp_path / "boxes") as upstream:
        told = await tries(upstream, "write", path=str(precious))
    refused = "PermissionError"
    assert told == {"write": refused, "remove": refused, "beside": refused, "link": refused, "own": "done"}
    assert precious.read_text() == "precious"
    assert list(precious.parent.iterdir()) == [precious]


@pytest.mark.skipif(
    not (os.geteuid() and common_place()) and not any(os.access(parent, os.W_OK) for parent in _parents()),
    reason="this system gives us neither control groups nor user namespaces",
)
async def test_it_cannot_fill_the_machine_with_processes(tmp_path: Path) -> None:
    async with hostile(tmp_path) as upstream:
        told = await tries(upstream, "multiply", most=4 * MOST)
        assert 0 < told["started"] <= MOST
        assert told["stopped"] == "BlockingIOError"
        assert (await tries(upstream, "greedy"))["file"] > 0  # it is still there and answers


@pytest.mark.skipif(
    not any(os.access(parent, os.W_OK) for parent in _parents()), reason="this system gives us no control groups"
)
async def test_a_process_that_ran_from_its_group_ends_with_the_server(tmp_path: Path) -> None:
    async with hostile(tmp_path) as upstream:
        pid = (await tries(upstream, "escape"))["pid"]
        assert runs(pid)
    assert not runs(pid)


@pytest.mark.skipif(not can_unshare(), reason="this system gives no network namespaces (unshare -rn)")
async def test_offline_it_reaches_nothing_not_even_this_machine(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with hostile(tmp_path, offline=True) as upstream:
            told = await tries(upstream, "call_home", port=port)
    assert told == {"connect": "ConnectionRefusedError", "interfaces": ["lo"]}


async def test_its_files_cores_and_memory_have_limits(tmp_path: Path) -> None:
    async with hostile(tmp_path) as upstream:
        assert await tries(upstream, "greedy") == {"file": 4 << 30, "core": 0, "data": 8 << 30}


async def test_a_flood_ends_its_session_and_nothing_else(tmp_path: Path) -> None:
    async with hostile(tmp_path) as upstream:
        with pytest.raises(ServerError, match="hostile"):
            await tries(upstream, "flood", megabytes=80)
        assert upstream.ended


async def test_nothing_of_it_is_left_behind(tmp_path: Path) -> None:
    async with hostile(tmp_path) as upstream:
        assert await tries(upstream, "greedy")
        assert inside(tmp_path)
    assert inside(tmp_path) == []


@pytest.mark.skipif(common_place() is None, reason="this system does not let us mount")
async def test_every_sandbox_looks_the_same_from_inside(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        async with hostile(tmp_path) as upstream:
            told.append(await tries(upstream, "where"))
    assert told[0] == told[1]
    assert str(tmp_path) not in str(told)
