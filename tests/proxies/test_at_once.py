"""The shorter way of plain hits: to the byte what the ordinary way answers, and only for requests that it would let through."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

TOOL = {
    "name": "get",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}},
    "annotations": {"readOnlyHint": True},
}
RESULTS: list[dict[str, Any]] = [
    {"content": [{"type": "text", "text": "plain"}]},
    {},
    {
        "content": [{"type": "text", "text": 'has "_meta" and "isError":true inside'}],
        "structuredContent": {"a": [1, 2.5, None]},
    },
    {"content": [], "_meta": {"own": 1}},
    {"content": [{"type": "text", "text": "no"}], "isError": True},
    {"content": [{"type": "image", "data": "Q" * 9000, "mimeType": "image/png"}]},
    {"content": [{"type": "text", "text": "größer 😀"}], "big": 2**70},
]
HEADERS = "host: 127.0.0.1\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"


@pytest.fixture
def recording(tmp_path: Path) -> Any:
    with Recording(tmp_path / "a.db", create=True) as recording:
        recording.snapshot_tools("shop", [TOOL])
        writer = recording.begin_session("record")
        writer.connect("shop", {"serverInfo": {"name": "shop"}})
        for number, result in enumerate(RESULTS):
            call = writer.begin_call("shop", "tools/call", {"name": "get", "arguments": {"id": number}})
            writer.end_call(call, result=result)
        noisy = writer.begin_call("shop", "tools/call", {"name": "get", "arguments": {"id": 100}})
        told = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hello"}}
        writer.event(noisy, "to_client", told)
        writer.end_call(noisy, result=RESULTS[0])
        writer.end()
        yield recording


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.session = ""

    def message(self, method: str, params: dict[str, Any], verb: str = "POST", extra: str = "") -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode() if verb == "POST" else b""
        own = f"mcp-session-id: {self.session}\r\n" if self.session else ""
        return f"{verb} /mcp HTTP/1.1\r\n{HEADERS}{own}{extra}content-length: {len(body)}\r\n\r\n".encode() + body

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n"))}
            self.session = fields.get("mcp-session-id", self.session)
            if "content-length" in fields:
                return int(head.split()[1]), await self.reader.readexactly(int(fields["content-length"]))
            body = b""
            while not body.endswith(b"0\r\n\r\n"):
                body += await self.reader.readuntil(b"\r\n")
            return int(head.split()[1]), body

    async def ask(self, *message: Any, **more: Any) -> tuple[int, bytes]:
        self.writer.write(self.message(*message, **more))
        return await self.answer()

    async def begin(self, extra: str = "") -> None:
        info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        assert (await self.ask("initialize", info, extra=extra))[0] == 200


def get(number: int) -> dict[str, Any]:
    return {"name": "get", "arguments": {"id": number}}


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("provenance", [True, False])
async def test_an_answer_at_once_is_the_ordinary_one_to_the_byte(recording: Recording, provenance: bool) -> None:
    policy = ReplayPolicy(provenance=provenance)
    plain, short = (ReplayFactory(recording, policy) for _ in range(2))
    plain.answers_at_once = False
    said: list[list[tuple[int, bytes]]] = []
    for factory in (plain, short):
        async with running_http(factory) as url, wire(url) as one:
            await one.begin()
            said.append([await one.ask("tools/call", get(number)) for number in [*range(len(RESULTS))] * 2 + [0, 55, 100]])
    same = [[(status, re.sub(rb"\nid: \w+", b"", body)) for status, body in each] for each in said]  # ids of a stream's events
    assert same[0] == same[1]
    assert [json.loads(body)["result"].get("isError", False) for _, body in said[1][:7]] == [False] * 4 + [True, False, False]
    assert b"hello" in said[1][-1][1]


async def test_calls_that_were_answered_at_once_are_logged_like_others(recording: Recording) -> None:
    async with running_http(ReplayFactory(recording)) as url, wire(url) as one:
        await one.begin()
        for _ in range(3):
            await one.ask("tools/call", get(0))
    logged = [call for call in queries.calls(recording) if call.match]
    assert [(call.match, call.source_call, call.result, call.arguments, call.seq) for call in logged] == [
        ("exact", 1, RESULTS[0], {"id": 0}, number) for number in (1, 2, 3)
    ]
    assert len({call.args_hash for call in logged} | {call.args_hash for call in queries.calls(recording, session=1)}) == 8


async def test_a_session_that_has_ended_is_not_found_the_short_way_either(recording: Recording) -> None:
    async with running_http(ReplayFactory(recording)) as url, wire(url) as one:
        await one.begin()
        assert [(await one.ask("tools/call", get(0)))[0] for _ in range(3)] == [200] * 3
        assert (await one.ask("", {}, verb="DELETE"))[0] == 200
        assert (await one.ask("tools/call", get(0)))[0] == 404


async def test_a_head_without_the_token_never_gets_through(recording: Recording) -> None:
    async with running_http(ReplayFactory(recording), token="open") as url, wire(url) as one:
        token = "authorization: Bearer open\r\n"
        await one.begin(token)
        for _ in range(2):
            assert (await one.ask("tools/call", get(0), extra=token))[0] == 200
            assert (await one.ask("tools/call", get(0)))[0] == 401
            assert (await one.ask("tools/call", get(0), extra="authorization: Bearer ajar\r\n"))[0] == 401


async def test_requests_come_in_any_pieces(recording: Recording) -> None:
    async with running_http(ReplayFactory(recording)) as url, wire(url) as one:
        await one.begin()
        texts = []
        for _ in range(2):
            message = one.message("tools/call", get(0))
            one.writer.write(message + one.message("tools/call", get(2)) + message)
            texts += [(await one.answer())[1] for _ in range(3)]
            for cut in (10, len(message) - 5):
                one.writer.write(message[:cut])
                await one.writer.drain()
                await asyncio.sleep(0)
                one.writer.write(message[cut:])
                texts.append((await one.answer())[1])
        assert [b"plain" in text for text in texts] == [True, False, True, True, True] * 2


async def test_a_request_that_names_another_session_is_answered_there(recording: Recording) -> None:
    async with running_http(ReplayFactory(recording)) as url, wire(url) as one:
        await one.begin()
        for _ in range(3):
            await one.ask("tools/call", get(0))
        await one.ask("tools/call", {**get(0), "_meta": {"firefly/session": "other"}})
    sessions = [session for session in queries.sessions(recording, kind="replay") if session.calls]
    assert sorted(session.calls for session in sessions) == [1, 3]
    assert {session.labels.get("name") for session in sessions if session.calls == 1} == {"other"}
