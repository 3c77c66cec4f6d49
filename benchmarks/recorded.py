"""The same recorded calls in the formats of all recorders: distinct calls of the echo tool, as each would have written them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.echo import TOOL
from firefly_mcp.store.recording import Recording

READER = {**TOOL, "annotations": {"readOnlyHint": True}}
_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
_GREETING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "echo", "version": "1"},
}
Exchange = tuple[str, dict[str, Any], dict[str, Any] | None]


def message(number: int) -> str:
    """What call ``number`` says."""
    return f"recorded {number}: the quick brown fox jumps over the lazy dog"


def answer(number: int) -> dict[str, Any]:
    """What it was answered."""
    return {"content": [{"type": "text", "text": f"Echo: {message(number)}"}], "isError": False}


def firefly(path: Path, count: int) -> None:
    """A recording of ours, not indexed yet."""
    with Recording(path, create=True) as recording:
        recording.snapshot_tools("echo", [READER])
        recording.db.pragma("synchronous", "off")
        writer = recording.begin_session("record", key="recorded")
        writer.connect("echo", _GREETING, protocol_version="2025-11-25")
        for number in range(count):
            call = writer.begin_call("echo", "tools/call", {"name": "echo", "arguments": {"message": message(number)}})
            writer.end_call(call, result=answer(number))
        writer.end()
        recording.fold_log()


def cassette(path: Path, count: int, *, http: bool) -> None:
    """A cassette of mcp-cassette, format 3."""
    told: list[dict[str, Any]] = []
    for exchange, (method, params, result) in enumerate(_exchanges(count)):
        number = exchange + 1
        where = exchange if http else None
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        kind = "request"
        if result is None:
            del request["id"]
            kind = "notification"
        own = None if result is None else number
        common = {"t_offset_ms": exchange, "msg_id": own, "redacted": False, "exchange": where}
        told.append({**common, "sender": "client", "kind": kind, "method": method, "payload": request, "channel": None})
        if result is not None:
            response = {"jsonrpc": "2.0", "id": number, "result": result}
            channel = "post" if http else None
            told.append(
                {**common, "sender": "server", "kind": "response", "method": None, "payload": response, "channel": channel}
            )
    document = {
        "format_version": 3,
        "recorded_at": "2026-11-26T00:00:00Z",
        "transport": "http" if http else "stdio",
        "server_url": "http://127.0.0.1:9/mcp" if http else None,
        "session_id": "echo" if http else None,
        "protocol_version": "2025-11-25",
        "server_info": {"name": "echo", "version": "1"},
        "messages": [{"seq": seq, **one} for seq, one in enumerate(told)],
    }
    path.write_text(json.dumps(document))


def recorder(path: Path, count: int, *, sessions: int) -> None:
    """A cassette of mcp-recorder, which serves each recorded message once: the handshake is there for so many sessions."""
    told = []
    beginning = list(_exchanges(0))
    each = itertools.chain(*[beginning] * sessions, itertools.islice(_exchanges(count), len(beginning), None))
    for number, (method, params, result) in enumerate(each, 1):
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        response = {"jsonrpc": "2.0", "id": number, "result": result}
        if result is None:
            del request["id"]
        told.append(
            {
                "type": "notification" if result is None else "jsonrpc_request",
                "request": request,
                "response": None if result is None else response,
                "response_is_sse": False,
                "response_status": 202 if result is None else 200,
                "latency_ms": 1,
                "http_method": None,
                "http_path": None,
            }
        )
    about = {
        "recorded_at": "2026-11-26T00:00:00+00:00",
        "server_url": "http://127.0.0.1:9/mcp",
        "transport_type": "http",
        "protocol_version": "2025-11-25",
        "server_info": {"name": "echo", "version": "1"},
    }
    path.write_text(json.dumps({"version": "1.0", "metadata": about, "interactions": told}))


def rec(path: Path, count: int) -> None:
    """A session of mcp-rec."""
    with path.open("w") as file:
        for number, (method, params, result) in enumerate(_exchanges(count), 1):
            request: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            if result is None:
                del request["id"]
            file.write(json.dumps({"ts": float(number), "dir": "client->server", "msg": request}) + "\n")
            if result is not None:
                response = {"jsonrpc": "2.0", "id": number, "result": result}
                file.write(json.dumps({"ts": float(number), "dir": "server->client", "msg": response}) + "\n")


def _exchanges(count: int) -> Iterator[Exchange]:
    yield "initialize", _INITIALIZE, _GREETING
    yield "notifications/initialized", {}, None
    yield "tools/list", {}, {"tools": [READER]}
    for number in range(count):
        yield "tools/call", {"name": "echo", "arguments": {"message": message(number)}}, answer(number)
