"""JSON inside a text: read it, and write it again in the form in which it came."""

from __future__ import annotations

import json
from collections.abc import Callable

from firefly_mcp.jsonio import JSON, loads, text

_FORMS = tuple((indent, separators, ascii_) for ascii_ in (False, True) for indent, separators in (
    (None, (",", ":")), (None, (", ", ": ")), (2, (",", ": ")), (4, (",", ": ")), ("\t", (",", ": ")),
))  # fmt: skip
"""How the common encoders write: ``(indent, separators, escapes)``."""


def changed_json_text(value: str, change: Callable[[JSON], JSON]) -> str:
    """The text with ``change`` applied to the object or list that it holds; the same text where nothing changes.

    Indent, separators and escapes stay as they were where a common encoder wrote them; otherwise the form is compact.
    """
    start = value.lstrip()[:1]
    if start not in ("{", "["):
        return value
    try:
        before = loads(value)
    except (ValueError, RecursionError):
        return value
    after = change(before)
    if after is before:
        return value
    for indent, separators, ascii_ in _FORMS:
        if json.dumps(before, indent=indent, separators=separators, ensure_ascii=ascii_) == value.strip():
            return json.dumps(after, indent=indent, separators=separators, ensure_ascii=ascii_)
    return text(after)
