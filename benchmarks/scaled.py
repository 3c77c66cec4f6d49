"""A recording made larger: every session again and again, with other values in the same places; each copy is another world.

Names, long numbers and codes are replaced by others of the same kind, alike wherever they occur in a session and in its second
observation: what flowed from one call into the next still does, and what agreed still agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.observe import informative, result_view, walk
from firefly_mcp.observe.values import value_key
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Session

_AT_LEAST = 0.4
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}|https?://")
_WORD = re.compile(r"[a-z]+\Z")
_LONG = 4


def scale(source: Recording, path: Path, calls: int) -> Recording:
    """A new recording at ``path`` with about so many calls."""
    target = Recording(path, create=True)
    for server in queries.servers(source):
        target.snapshot_tools(server, [tool.definition for tool in queries.tools(source, server)])
    sessions = [session for session in queries.sessions(source, evidence_only=True) if session.calls]
    made = copy = 0
    while made < calls:
        for session in sessions:
            made += _again(source, target, session, copy)
            if made >= calls:
                break
        copy += 1
    return target


def _again(source: Recording, target: Recording, session: Session, copy: int) -> int:
    made = 0
    writer = target.begin_session(session.kind, labels=session.labels, config=session.config)
    for link in queries.connections(source, session.id):
        writer.connect(link.server, link.initialize, protocol_version=link.protocol_version, origin=link.origin)
    for call in queries.calls(source, session=session.id, method="tools/call"):
        known = {value: _other(value, copy) for value in _texts(call.params) if _changes(value)} if copy else {}
        number = writer.begin_call(call.server, "tools/call", _mapped(call.params, copy, "name"))
        result = None if call.result is None else _result(call.result, copy, known)
        writer.end_call(number, result=result, error=call.error, duration_ms=call.duration_ms)
        made += 1
    writer.end()
    return made


def _result(result: JsonObject, copy: int, known: dict[str, str]) -> JsonObject:
    if not copy:
        return result
    changed = dict(result)
    if "structuredContent" in result:
        changed["structuredContent"] = _mapped(result["structuredContent"], copy)
    changed["content"] = [_block(block, copy, known) for block in result.get("content") or []]
    return changed


def _block(block: JsonObject, copy: int, known: dict[str, str]) -> JsonObject:
    if block.get("type") != "text":
        return block
    said = str(block.get("text", ""))
    view = result_view({"content": [block]})
    if view.kind == "json" and said.lstrip()[:1] in ("{", "["):
        try:
            return {**block, "text": dumps(_mapped(loads(said), copy)).decode()}
        except ValueError:  # data written as Python prints it
            pass
    for value, other in known.items():
        if len(value) >= _LONG:
            said = said.replace(value, other)
    return {**block, "text": said}


def _mapped(value: Any, copy: int, spared: str = "") -> Any:
    if isinstance(value, dict):
        return {key: item if key == spared else _mapped(item, copy) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, copy) for item in value]
    return _other(value, copy) if copy and _changes(value) else value


def _changes(value: Any) -> bool:
    """Whether a value is one of many: plain words, stamps and addresses stay, for schemas and servers know them."""
    if isinstance(value, bool) or value_key(value) is None or informative(value) < _AT_LEAST:
        return False
    return not (isinstance(value, str) and (_WORD.match(value) or _STAMP.search(value)))


def _other(value: Any, copy: int) -> Any:
    if isinstance(value, int):
        return value + copy * 1_000_003
    if isinstance(value, float):
        return round(value + copy * 1009.5, 6)
    return f"{value} {copy}" if " " in value else f"{value}-{copy}"


def _texts(value: Any) -> Iterator[str]:
    return (item for _, item in walk(value) if isinstance(item, str))
