"""Pagination: a cursor belongs to the call that issued it.

The page that a cursor stands for depends on what the call before it saw, not on what its own arguments say. A call that hands
in a cursor is therefore in a state of its own: the usual one, and the call of this session in whose answer the cursor stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording

_NAMES = re.compile(r"cursor|page_?token|next_?token|continuation|resume_?token|scroll_?id", re.IGNORECASE)
LOOKED_AT = 200
"""Earlier calls of a session in whose answers a cursor is looked for."""


def may_hold_cursor(text: str) -> bool:
    """Whether params, as text, may name a cursor; saves reading them."""
    return _NAMES.search(text) is not None


def cursors_of(params: JsonObject) -> list[str]:
    """The cursors that a request hands in: texts under such a name, in its params or arguments."""
    return list(dict.fromkeys(_walk(params, "")))


def _walk(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, name)
    elif isinstance(value, str) and value and _NAMES.search(name):
        yield value


def paged(recording: Recording, state: str, cursors: Iterable[str], earlier: Iterable[tuple[str, str]]) -> str:
    """The state of a call that hands in cursors.

    Args:
        recording: where the answers are.
        state: the state without regard to the cursors.
        cursors: what the call hands in.
        earlier: ``(args_hash, result_hash)`` of the answered calls before it, the last one first.
    """
    issuers = []
    known = [pair for _, pair in zip(range(LOOKED_AT), earlier, strict=False)]
    for cursor in cursors:
        for args_hash, result_hash in known:
            rows = recording.db.execute("SELECT instr(data, ?) > 0 FROM blob WHERE hash = ?", (cursor, result_hash)).fetchall()
            if rows and rows[0][0]:
                issuers.append(f"{args_hash}\t{result_hash}")
                break
    return hash_bytes("\n".join((state, *issuers)).encode()) if issuers else state
