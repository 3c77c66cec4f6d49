"""Argument kinds: is a value *identifying* (another value means another thing) or *free text* (may be worded otherwise)?

Decided from the schema, the name, the format and the value itself. When in doubt a value is identifying: the worst that
comes of it is an honest miss, while free text wrongly assumed can come to a wrong answer.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from firefly_mcp.canonical import canonical_json, hash_bytes
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.normalize import normalize
from firefly_mcp.schemas import properties, single, types_of


class ArgumentKind(StrEnum):
    """Whether a difference in a value is a difference in what is asked."""

    IDENTIFYING = "identifying"
    FREE_TEXT = "free_text"


_TEXT_NAMES = frozenset(
    "body caption comment content description details explanation feedback instructions message note notes prompt query"
    " question reason remark review search summary text thought topic".split()
)
_ID_NAMES = re.compile(
    r"(^|_)(id|ids|key|code|name|email|path|file|url|uri|uuid|slug|sku|iso|lang|locale|timezone|unit|sql)($|_)"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")


def argument_kind(name: str, schema: JsonObject, value: Any, root: JsonObject | None = None) -> ArgumentKind:
    """The kind of one argument value (a leaf: string, number, boolean or null)."""
    root = root or {}
    if not isinstance(value, str):
        return ArgumentKind.IDENTIFYING
    own = single(schema, root)
    if own.get("enum") or own.get("const") is not None or own.get("format") or own.get("pattern"):
        return ArgumentKind.IDENTIFYING
    types = types_of(schema, root)
    if types and "string" not in types:
        return ArgumentKind.IDENTIFYING
    words = _CAMEL.sub("_", name).lower()
    if _ID_NAMES.search(words):
        return ArgumentKind.IDENTIFYING
    named_text = bool(_TEXT_NAMES & set(words.split("_")))
    spaces = value.strip().count(" ")
    if named_text and (spaces >= 1 or value.isalpha()):
        return ArgumentKind.FREE_TEXT
    return ArgumentKind.FREE_TEXT if spaces >= 3 else ArgumentKind.IDENTIFYING


def numerals(text: str) -> list[str]:
    """The numbers inside a free text, in order; they identify even where the words around them do not."""
    return _NUMERAL.findall(text)


def identity(arguments: JsonObject, schema: JsonObject) -> JsonObject:
    """The identifying part of normalized arguments: each free text is reduced to the numerals in it."""
    normal = normalize(arguments, schema)

    def walk(name: str, value: Any, own: JsonObject) -> Any:
        if isinstance(value, dict):
            children = properties(own, schema)
            return {key: walk(key, item, children.get(key, {})) for key, item in value.items()}
        if isinstance(value, list):
            items = single(own, schema).get("items")
            return [walk(name, item, items if isinstance(items, dict) else {}) for item in value]
        if argument_kind(name, own, value, schema) is ArgumentKind.FREE_TEXT:
            return {"numerals": numerals(value)}
        return value

    found = walk("", normal, schema)
    assert isinstance(found, dict)
    return found


def identity_hash(tool: str, arguments: JsonObject, schema: JsonObject) -> str:
    """Hash of the identifying arguments: a neighbour that differs in an id, number or date never has the same."""
    return hash_bytes(tool.encode() + b"\n" + canonical_json(identity(arguments, schema)))
