"""``firefly calls``: every request with its result, in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from firefly_mcp.cli.filters import check_server, check_tool, session_id
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json_list, plain, table
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.types import Call, CallStatus


@click.command(name="calls")
@store_option
@click.option("--session", metavar="ID|KEY", help="Only calls of this session.")
@click.option("--server", metavar="NAME", help="Only calls to this server.")
@click.option("--tool", metavar="NAME", help="Only calls of this tool.")
@click.option("--errors", is_flag=True, help="Only calls that gave an error.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most the first N of them.")
@json_option
def command(
    store: Path, session: str | None, server: str | None, tool: str | None, errors: bool, limit: int | None, as_json: bool
) -> None:
    """The calls of a recording: what was asked, what was answered, and how a replayed answer was found."""
    from firefly_mcp.store import queries
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        check_server(recording, server)
        check_tool(recording, server, tool)
        found: Iterator[Call] = queries.calls(
            recording,
            session=session_id(recording, session),
            server=server,
            tool=tool,
            limit=None if errors else limit,
        )
        wanted = islice((call for call in found if call.is_error or not errors), limit)
        if as_json:
            emit_json_list(map(call_json, wanted))
            return
        rows = [
            (
                call.id,
                call.session,
                call.seq,
                call.server,
                call.tool or call.method,
                plain(text(call.arguments if call.tool else call.params), 100),
                plain(_outcome(call), 140),
                call.duration_ms,
                call.match or "",
            )
            for call in wanted
        ]
    table(("id", "session", "seq", "server", "tool", "*arguments", "*result", "ms", "match"), rows)


def call_json(call: Call) -> JsonObject:
    """A call in the shape of ``calls --json``; ``arguments`` of a request that is no ``tools/call`` are its params."""
    return {
        "id": call.id,
        "session": call.session,
        "seq": call.seq,
        "server": call.server,
        "tool": call.tool,
        "method": call.method,
        "arguments": call.arguments if call.tool is not None else call.params,
        "result": call.result,
        "is_error": call.is_error,
        "error": call.error,
        "started_at": call.started_at,
        "duration_ms": call.duration_ms,
        "match": call.match,
        "status": call.status,
        "source_call": call.source_call,
        "detail": call.detail,
    }


def _outcome(call: Call) -> str:
    if call.status != CallStatus.DONE:
        return f"({call.status})"
    if call.error is not None:
        return f"error {call.error.get('code', '')}: {call.error.get('message', '')}"
    result = call.result or {}
    if "structuredContent" in result:
        return text(result["structuredContent"])
    content = result.get("content")
    if not isinstance(content, list):
        return text(result)
    parts = [str(part.get("text", f"({part.get('type')})")) for part in content if isinstance(part, dict)]
    return ("error: " if call.is_error else "") + " ".join(parts)
