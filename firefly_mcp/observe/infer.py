"""What a tool returns, learned from what it returned: fields by path pattern, and a JSON Schema.

Array indices and keys that are data (ids, dates) become ``[*]``, which JSONPath resolves for arrays and objects alike, so
``$.items[*].id`` is one field however many items there were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.observe.leaves import Step, json_path, leaves, name_of
from firefly_mcp.observe.values import informative
from firefly_mcp.observe.view import result_view
from firefly_mcp.observe.written import written_fields
from firefly_mcp.schemas import json_type

_MAX_RESULTS = 50
_MAX_LEAVES = 3000
_MAX_ITEMS = 50
_EXAMPLES = 5
_MANY_KEYS = 40
_DATA_KEY = re.compile(r"\d{3,}|\d{4}-\d\d|@|^\d+$")
_FORMATS = (
    ("date-time", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("time", re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")),
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")),
    ("uri", re.compile(r"[a-z][a-z0-9+.-]*://\S+")),
    ("ipv4", re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")),
    ("path", re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[\\/][^\s<>|]+|[\w.-]+/[\w./-]+\.\w{1,5}")),
    ("number", re.compile(r"[+-]?\d+(\.\d+)?")),
)
_ANY = "*\x00"
"""Stands for any index or data key while a pattern is made; no key of a real result is this."""
_ANY_STEP = "['*\\u0000']"


@dataclass(frozen=True)
class Field:
    """One field of a tool's results.

    Attributes:
        path: JSONPath pattern, ``$.items[*].id``; for prose a regular expression with one group.
        name: the nearest object key; empty for a bare scalar.
        parent: the key of the object or array that the field's object is in; empty at the top.
        types: JSON types seen (or declared), sorted, without ``null``.
        format: the one string format that all values have, or empty.
        examples: up to five distinct values, most informative first.
        seen: in how many results.
        distinct: how many distinct values were seen (counted up to a bound).
        description: what a declared schema says of it.
        echo: whether every value seen was an argument of the same call, so that the field reveals nothing.
    """

    path: str
    name: str
    parent: str = ""
    types: tuple[str, ...] = ()
    format: str = ""
    examples: tuple[str | int | float | bool, ...] = ()
    seen: int = 0
    distinct: int = 0
    description: str = ""
    echo: bool = False


@dataclass
class _Gathered:
    name: str
    parent: str
    types: set[str] = field(default_factory=set)
    formats: set[str] = field(default_factory=set)
    values: dict[tuple[str, object], str | int | float | bool] = field(default_factory=dict)
    results: set[int] = field(default_factory=set)
    revealed: bool = False


def infer_fields(results: Iterable[JsonObject], arguments: Iterable[JsonObject] = ()) -> list[Field]:
    """The fields of a tool's (successful) results, in order of first appearance.

    Prose has fields where it is a Markdown table or lines of ``key: value`` (:mod:`.written`); their path is a regular
    expression, which starts with ``(?m)``.

    Args:
        results: the results; equal ones count once, and at most 50 are read.
        arguments: the arguments of the same calls in the same order, to tell echoes; may be left out.
    """
    gathered: dict[str, _Gathered] = {}
    for number, (leaves_, own) in enumerate(_distinct_fields(results, arguments)):
        for path, name, parent, leaf in leaves_:
            entry = gathered.get(path)
            if entry is None:
                entry = gathered[path] = _Gathered(name, parent)
            entry.results.add(number)
            if leaf is None:
                continue
            kind = json_type(leaf)
            entry.revealed = entry.revealed or leaf not in own
            entry.types.add(kind)
            entry.formats.add(string_format(leaf) if isinstance(leaf, str) else "")
            if len(entry.values) < 200:
                entry.values.setdefault((kind, leaf), leaf)
    return [_field(path, entry) for path, entry in gathered.items()]


def infer_schema(results: Iterable[JsonObject]) -> JsonObject:
    """A JSON Schema that all the given results fit; ``{}`` when there are none or they are prose."""
    return _schema_of(_distinct_values(results), 0)


def string_format(value: str) -> str:
    """The format that a string is written in (``date``, ``email``, ``uri`` …), or empty."""
    text = value.strip()
    if not text or len(text) > 500:
        return ""
    return next((name for name, pattern in _FORMATS if pattern.fullmatch(text)), "")


def _distinct_values(results: Iterable[JsonObject]) -> list[JSON]:
    """The data of distinct results."""
    found: dict[str, JSON] = {}
    for result in results:
        view = result_view(result)
        if view.kind in ("structured", "json"):
            found.setdefault(hash_json(view.value), view.value)
            if len(found) >= _MAX_RESULTS:
                break
    return list(found.values())


def _distinct_fields(
    results: Iterable[JsonObject], arguments: Iterable[JsonObject]
) -> list[tuple[list[tuple[str, str, str, JSON]], set[JSON]]]:
    """The (path, name, parent, value) of distinct results, each with the scalars of its own call's arguments."""
    found: dict[str, tuple[list[tuple[str, str, str, JSON]], set[JSON]]] = {}
    for result, own in zip_longest(results, arguments):
        if result is None:
            break
        view = result_view(result)
        fields: list[tuple[str, str, str, JSON]] = []
        if view.kind == "text" and isinstance(view.value, str):
            fields = [(item.regex, item.name, "", item.value) for item in written_fields(view.value)[:_MAX_LEAVES]]
        elif view.kind in ("structured", "json"):
            fields = [
                (json_path(steps).replace(_ANY_STEP, "[*]"), *_names(steps), leaf)
                for steps, leaf in _pattern_leaves(view.value)
            ]
        if fields:
            found.setdefault(hash_json(view.value), (fields, {leaf.value for leaf in leaves(own or {})}))
            if len(found) >= _MAX_RESULTS:
                break
    return list(found.values())


def _pattern_leaves(value: JSON) -> list[tuple[tuple[Step, ...], JSON]]:
    found: list[tuple[tuple[Step, ...], JSON]] = []
    stack: list[tuple[tuple[Step, ...], JSON]] = [((), value)]
    while stack and len(found) < _MAX_LEAVES:
        steps, item = stack.pop()
        if isinstance(item, dict):
            keyed_by_data = _keyed_by_data(item)
            pairs = list(item.items())[:_MAX_ITEMS] if keyed_by_data else list(item.items())
            stack.extend([((*steps, _ANY if keyed_by_data else key), child) for key, child in reversed(pairs)])
        elif isinstance(item, list):
            stack.extend([((*steps, _ANY), child) for child in reversed(item[:_MAX_ITEMS])])
        else:
            found.append((steps, item))
    return found


def _keyed_by_data(item: dict[str, JSON]) -> bool:
    if len(item) > _MANY_KEYS:
        return len({json_type(child) for child in item.values()}) == 1
    return bool(item) and 2 * sum(bool(_DATA_KEY.search(key)) for key in item) > len(item)


def _names(steps: tuple[Step, ...]) -> tuple[str, str]:
    keys = [step for step in steps if isinstance(step, str) and step != _ANY]
    name = name_of(tuple(keys))
    return name, keys[-2] if len(keys) > 1 else ""


def _field(path: str, entry: _Gathered) -> Field:
    formats = entry.formats
    examples = sorted(entry.values.values(), key=lambda value: -informative(value))[:_EXAMPLES]
    return Field(
        path=path,
        name=entry.name,
        parent=entry.parent,
        types=tuple(sorted(entry.types)),
        format=next(iter(formats)) if len(formats) == 1 else "",
        examples=tuple(examples),
        seen=len(entry.results),
        distinct=len(entry.values),
        echo=bool(entry.values) and not entry.revealed,
    )


def _schema_of(values: Sequence[JSON], depth: int) -> JsonObject:
    kinds = sorted({json_type(value) for value in values})
    if "integer" in kinds and "number" in kinds:
        kinds.remove("integer")
    if not kinds or depth > 20:
        return {}
    schema: JsonObject = {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [value for value in values if isinstance(value, dict)]
    if objects and any(_keyed_by_data(item) for item in objects):
        schema["additionalProperties"] = _schema_of([child for item in objects for child in item.values()], depth + 1)
    elif objects:
        names = list(dict.fromkeys(key for item in objects for key in item))
        schema["properties"] = {name: _schema_of([item[name] for item in objects if name in item], depth + 1) for name in names}
        schema["required"] = [name for name in names if all(name in item for item in objects)]
    items = [child for value in values if isinstance(value, list) for child in value[:_MAX_ITEMS]]
    if items:
        schema["items"] = _schema_of(items, depth + 1)
    strings = [value for value in values if isinstance(value, str)]
    formats = {string_format(value) for value in strings}
    if len(formats) == 1 and formats <= {"date", "date-time", "time", "email", "uuid", "uri", "ipv4"}:
        schema["format"] = next(iter(formats))
    return schema
