"""ComplexFuncBench (:mod:`benchmarks.booking`) as a recording: 5,070 calls that were really made, with their real answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import booking
from benchmarks.booking import SERVER
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind, Tool, params_of

_DEFAULT = re.compile(r"\bdefault\b\D{0,30}?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Recorded:
    """One call: its tool, its arguments, its answer and the request (a session) that it belongs to."""

    tool: str
    arguments: dict[str, Any]
    answer: Any
    session: int


def load() -> tuple[dict[str, dict[str, Any]], list[Recorded]]:
    """Tool definitions by name, and the calls in order."""
    found = booking.load()
    calls = [Recorded(str(call.tool), call.arguments, _answer(call.result), call.session) for call in found.calls]
    return {tool.name: _definition(tool) for tool in found.tools}, calls


def _answer(result: dict[str, Any] | None) -> Any:
    assert result is not None
    return json.loads(result["content"][0]["text"])


def _definition(tool: Tool) -> dict[str, Any]:
    """The tool as an MCP server would list it. The data set tells defaults in descriptions only; they are read from there."""
    properties = {}
    for name, own in tool.input_schema["properties"].items():
        told = _DEFAULT.search(str(own.get("description", "")).replace("*", ""))
        properties[name] = {**own, "default": int(told[1])} if told and own.get("type") == "number" else own
    schema = {**tool.input_schema, "properties": properties}
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": True},
    }


def record(path: Path, tools: list[dict[str, Any]], calls: list[Recorded]) -> None:
    """Write the calls as a recording, one session for each request."""
    with Recording(path, create=True) as recording:
        recording.db.pragma("synchronous", "off")  # a benchmark's own file: it can be made again
        recording.snapshot_tools(SERVER, tools)
        sessions: dict[int, Any] = {}
        for call in calls:
            writer = sessions.get(call.session)
            if writer is None:
                writer = sessions[call.session] = recording.begin_session(SessionKind.IMPORT)
                writer.connect(SERVER, {}, origin="proven(import)")
            number = writer.begin_call(SERVER, "tools/call", params_of(call.tool, call.arguments))
            writer.end_call(number, result={"content": [{"type": "text", "text": json.dumps(call.answer)}]})
