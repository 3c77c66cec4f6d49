"""What a result says: its structured content, else the JSON (or the printed Python data) inside its text, else the text itself.

Paths in bindings, evidence and labels start at :attr:`View.value`; a ``text`` view is read by a regular expression instead.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, loads

_FENCE = re.compile(r"[ \t]*(```+|~~~+)[ \t]*([\w+-]*)")
_PRINTED = ("[{", "[(", "{'", "['", "[[", "[]")
"""How data begins that was printed by Python; what is JSON as well was read as that before."""
_WORDS: dict[str, JSON] = {"True": True, "False": False}
"""Yes and no as Python prints them."""
_NO_JSON: Any = object()


@dataclass(frozen=True)
class View:
    """A result as data.

    Attributes:
        kind: ``structured`` (``structuredContent``), ``json`` (JSON inside the text, or rows printed as Python writes them),
            ``text`` (prose) or ``empty``.
        value: the JSON value; for ``text`` the text; for ``empty`` None.
    """

    kind: str
    value: JSON


def result_view(result: JsonObject | None) -> View:
    """What a ``CallToolResult`` says, as one JSON value or one text.

    Frameworks wrap a plain string as ``{"result": "..."}`` in ``structuredContent``. Where that string is itself a JSON
    document, or prose, the wrapper tells no more than the text does, and the view is that of the text.
    """
    if not result:
        return View("empty", None)
    structured = result.get("structuredContent")
    if structured is not None and structured != {}:
        inner = _wrapped_text(structured)
        if inner is None:
            return View("structured", structured)
        view = _text_view([inner])
        return view if view.kind == "text" or isinstance(view.value, dict | list) else View("structured", structured)
    return _text_view(_blocks(result))


def result_text(result: JsonObject | None) -> str:
    """All text of a result, its blocks joined by a newline: what a regular expression is applied to."""
    if not result:
        return ""
    blocks = _blocks(result)
    if not blocks:
        inner = _wrapped_text(result.get("structuredContent"))
        return inner or ""
    return "\n".join(blocks)


def json_inside(text: str) -> JSON:
    """The JSON document that ``text`` is, or that its only fenced block is.

    Raises:
        ValueError: there is none.
    """
    value = _json_inside(text)
    if value is _NO_JSON:
        raise ValueError("no JSON inside the text")
    return value


def _wrapped_text(structured: JSON) -> str | None:
    """The string inside ``{"result": "..."}`` when it is a JSON document or has several words."""
    if isinstance(structured, dict) and len(structured) == 1:
        inner = structured.get("result")
        if isinstance(inner, str) and (re.search(r"\s", inner.strip()) or inner.lstrip()[:1] in ("{", "[")):
            return inner
    return None


def _blocks(result: JsonObject) -> list[str]:
    """The texts of a tool result (or of a read resource) in order."""
    content = result.get("content", result.get("contents"))
    if not isinstance(content, list):
        return []
    texts: list[str] = []
    for block in content:
        if not isinstance(block, dict):
            continue
        inner = block.get("resource") if block.get("type") == "resource" else block
        found = inner.get("text") if isinstance(inner, dict) else None
        if isinstance(found, str):
            texts.append(found)
    return texts


def _text_view(blocks: list[str]) -> View:
    kept = [block for block in blocks if block.strip()]
    if not kept:
        return View("empty", None)
    values: list[JSON] = []
    for block in kept:
        value = _json_inside(block)
        if value is _NO_JSON:
            break
        values.append(value)
    if len(values) == len(kept):
        return View("json", values[0] if len(values) == 1 else values)
    return View("text", "\n".join(blocks))


def _json_inside(text: str) -> JSON:
    stripped = text.strip().removeprefix("\ufeff")
    if stripped[:1] in '{["-0123456789tfn' and stripped:
        value = _load(stripped)
        if value is not _NO_JSON:
            return value
    if "```" in text or "~~~" in text:
        fences = _fences(text)
        if len(fences) == 1 and fences[0][0] in ("", "json", "json5", "jsonc") and fences[0][1][:1] in ("{", "["):
            return _load(fences[0][1])
    if stripped in _WORDS:
        return _WORDS[stripped]
    return _printed(stripped) if stripped[:2] in _PRINTED else _NO_JSON


def _printed(text: str) -> JSON:
    """Rows and records that a Python server printed as they are: ``[{'name': 'members'}]``, ``[('a', 1)]``."""
    try:
        return _listed(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _NO_JSON


def _listed(value: Any) -> JSON:
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _listed(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{type(value).__name__} is no JSON")


def _fences(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of Markdown, as (language, body); line by line, for a pattern over all of it can take for ever."""
    found: list[tuple[str, str]] = []
    mark, language, body = "", "", [""]
    for line in text.splitlines():
        opening = _FENCE.match(line)
        if not mark and opening:
            mark, language, body = opening[1], opening[2].lower(), []
        elif mark and line.strip() == mark:
            found.append((language, "\n".join(body).strip()))
            mark = ""
        elif mark:
            body.append(line)
    return found


def _load(text: str) -> JSON:
    try:
        value = loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON
    # NaN and numbers past the range of a double are not JSON values that a task could ask for.
    return _NO_JSON if isinstance(value, float) and not math.isfinite(value) else value
