"""What is left when the proxy is killed, and when two proxies write one file."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from tests.proxies.harness import SERVERS, Command, Firefly, alive

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


def call(number: int, **arguments: object) -> bytes:
    params = {"name": "go", "arguments": {"n": number, **arguments}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()


async def begin(proxy: Command) -> None:
    await proxy.send(json.dumps({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": HELLO}).encode())
    assert json.loads(await proxy.receive())["id"] == "hello"


async def test_a_killed_proxy_loses_no_answered_call_and_leaves_the_others_interrupted(
    tmp_path: Path, firefly: Firefly
) -> None:
    store = tmp_path / "f.db"
    server = ("--", sys.executable, str(SERVERS / "bad.py"), "silent")
    async with firefly("record", "--store", str(store), *server) as proxy:
        await begin(proxy)
        for number in range(400):
            await proxy.send(call(number, **({"wait": True} if number % 40 == 0 else {})))
        answered: dict[int, str] = {}

        def take(line: bytes) -> None:
            answer = json.loads(line)
            if "result" in answer:  # and not the message of a server that waits
                answered[answer["id"]] = answer["result"]["content"][0]["text"]

        while len(answered) < 100:
            take(await proxy.receive())
        proxy.process.kill()
        out, _ = await proxy.process.communicate()
        for line in out.splitlines(keepends=True):  # what it had said and we had not read yet
            if line.endswith(b"\n"):
                take(line)
    with Recording(store) as recording:
        recorded = {call.arguments["n"]: call for call in queries.calls(recording)}
        assert set(answered) <= set(recorded)
        for number, text in answered.items():
            assert recorded[number].status == "done"
            result = recorded[number].result
            assert result is not None
            assert result["content"][0]["text"] == text
        assert {call.status for call in recorded.values() if call.arguments["n"] not in answered} <= {"interrupted", "done"}
        assert recorded[0].status == "interrupted"
        (session,) = queries.sessions(recording)
        assert session.ended_at is None


async def test_two_proxies_write_one_file_at_once(tmp_path: Path, firefly: Firefly) -> None:
    store = tmp_path / "f.db"
    server = ("--", sys.executable, str(SERVERS / "bad.py"), "fine")

    async def burst(proxy: Command) -> None:
        for number in range(100):
            await proxy.send(call(number))
        for _ in range(100):
            assert "result" in json.loads(await proxy.receive())

    arguments = ("record", "--store", str(store), *server)
    async with firefly(*arguments) as one, firefly(*arguments) as two:
        await asyncio.gather(begin(one), begin(two))
        await asyncio.gather(burst(one), burst(two))
        for proxy in (one, two):
            assert (await proxy.finish())[0] == 0
    with Recording(store) as recording:
        assert [session.calls for session in queries.sessions(recording)] == [100, 100]
        for session in queries.sessions(recording):
            assert session.ended_at is not None
            kept = list(queries.calls(recording, session=session.id))
            assert [call.seq for call in kept] == list(range(1, 101))
            assert {call.status for call in kept} == {"done"}


async def test_a_stopped_proxy_ends_its_servers_and_sessions(tmp_path: Path, firefly: Firefly) -> None:
    store = tmp_path / "f.db"
    server = ("--", sys.executable, str(SERVERS / "bad.py"), "silent")
    for number in (signal.SIGTERM, signal.SIGINT):
        async with firefly("record", "--store", str(store), *server) as proxy:
            await begin(proxy)
            await proxy.send(call(1))
            pid = json.loads(json.loads(await proxy.receive())["result"]["content"][0]["text"])["pid"]
            await proxy.send(call(2, wait=True))
            assert alive(pid)
            assert await proxy.stop(number) == 0
            assert not alive(pid)
            assert "Traceback" not in proxy.errors
    with Recording(store) as recording:
        assert all(session.ended_at is not None for session in queries.sessions(recording))
