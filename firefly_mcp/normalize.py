"""Normalization of arguments, driven by the tool's input schema: what two calls may differ in and still be the same call.

Each rule is one named function ``(value, schema, root) -> value`` in :data:`RULES`; a tool can switch rules off by name.
Nothing is guessed: a rule acts only where the schema (or JSON itself) says that the two forms mean the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from firefly_mcp.canonical import canonical_json, hash_bytes
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.schemas import properties, required, resolve, single, types_of

Rule = Callable[[Any, JsonObject, JsonObject], Any]

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def trim_strings(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """Strings in Unicode NFC, without white space at the ends."""
    return unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else value


def coerce_numbers(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """``"5"`` is 5 where the schema wants a number; ``5.0`` is 5 everywhere."""
    types = types_of(schema, root)
    if isinstance(value, str) and types and types <= {"integer", "number"}:
        if _INTEGER.fullmatch(value):
            return int(value)
        if "number" in types and _NUMBER.fullmatch(value):
            value = float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def coerce_booleans(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """``"true"`` and ``"False"`` are booleans where the schema wants one."""
    if isinstance(value, str) and types_of(schema, root) == {"boolean"}:
        return {"true": True, "false": False}.get(value.lower(), value)
    return value


def fold_enums(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """An enum value in another case is the enum's own spelling, if exactly one fits."""
    options = single(schema, root).get("enum")
    if isinstance(value, str) and isinstance(options, list) and value not in options:
        fits = [option for option in options if isinstance(option, str) and option.casefold() == value.casefold()]
        if len(fits) == 1:
            return fits[0]
    return value


def parse_dates(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """``date`` and ``date-time`` formats in one ISO 8601 form; offsets become UTC."""
    form = single(schema, root).get("format")
    if not isinstance(value, str) or form not in ("date", "date-time"):
        return value
    try:
        if form == "date":
            return date.fromisoformat(value).isoformat()
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat() + "Z"
    return moment.isoformat()


def parse_uris(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """``uri`` format: scheme and host in lower case, no empty fragment, ``/`` for an empty path."""
    if not isinstance(value, str) or single(schema, root).get("format") not in ("uri", "url"):
        return value
    parts = urlsplit(value)
    if not parts.scheme or not parts.netloc:
        return value
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path or "/", parts.query, parts.fragment))


def sort_unique_items(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """Arrays are sorted only where the schema says ``uniqueItems``."""
    if isinstance(value, list) and single(schema, root).get("uniqueItems") is True:
        return sorted(value, key=canonical_json)
    return value


def drop_empty(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """Optional arguments that are null, ``[]`` or ``{}`` are the same as absent."""
    if not isinstance(value, dict):
        return value
    needed = set(required(schema, root))
    return {key: item for key, item in value.items() if key in needed or (item is not None and item != [] and item != {})}


def fill_defaults(value: Any, schema: JsonObject, root: JsonObject) -> Any:
    """An absent optional argument has its schema's default (a null or empty default is the same as absent)."""
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in properties(schema, root).items():
        default = resolve(child, root).get("default")
        if name not in filled and default is not None and default != [] and default != {}:
            filled[name] = default
    return filled


SCALAR_RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (trim_strings, coerce_numbers, coerce_booleans, fold_enums, parse_dates, parse_uris)
}
CONTAINER_RULES: dict[str, Rule] = {rule.__name__: rule for rule in (drop_empty, fill_defaults, sort_unique_items)}
RULES: dict[str, Rule] = SCALAR_RULES | CONTAINER_RULES
"""Every rule by name, in the order in which they are applied to one value."""


def normalize(arguments: JsonObject, schema: JsonObject, *, off: Collection[str] = ()) -> JsonObject:
    """The arguments in normal form.

    Args:
        arguments: the arguments of one call.
        schema: the tool's input schema; ``{}`` applies only what JSON itself allows.
        off: names of rules that this tool switches off.
    """
    result = _walk(arguments, schema, schema, frozenset(off))
    assert isinstance(result, dict)
    return result


def _walk(value: Any, schema: JsonObject, root: JsonObject, off: frozenset[str]) -> Any:
    if isinstance(value, dict):
        children = properties(schema, root)
        extra = single(schema, root).get("additionalProperties")
        fallback = extra if isinstance(extra, dict) else {}
        value = {key: _walk(item, children.get(key, fallback), root, off) for key, item in value.items()}
    elif isinstance(value, list):
        items = single(schema, root).get("items")
        value = [_walk(item, items if isinstance(items, dict) else {}, root, off) for item in value]
    else:
        for name, rule in SCALAR_RULES.items():
            if name not in off:
                value = rule(value, schema, root)
        return value
    for name, rule in CONTAINER_RULES.items():
        if name not in off:
            value = rule(value, schema, root)
    return value


def normalized_hash(tool: str, arguments: JsonObject, schema: JsonObject, *, off: Collection[str] = ()) -> str:
    """Hash of a tool call in normal form: what the ``normalized`` rung of replay compares."""
    return hash_bytes(tool.encode() + b"\n" + canonical_json(normalize(arguments, schema, off=off)))
