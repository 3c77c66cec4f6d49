"""The scalar values of a JSON document, each with the path that finds it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import jsonpath
from jsonpath import CompoundJSONPath, JSONPath

from firefly_mcp.jsonio import JSON

Scalar = str | int | float | bool | None
Step = str | int

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAMES = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
_TO_ESCAPE = re.compile(r"[\x00-\x1f'\\]")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar.

    Attributes:
        path: JSONPath: a normalized path of RFC 9535, with the shorthand ``.name`` for plain names.
        value: the scalar.
        name: the nearest object key; the empty string at the root.
    """

    path: str
    value: Scalar
    name: str


def leaves(value: JSON, *, limit: int = 5000) -> list[Leaf]:
    """The scalars of ``value`` in document order, at most ``limit`` of them."""
    found: list[Leaf] = []
    for steps, item in walk(value):
        if not isinstance(item, dict | list):
            found.append(Leaf(json_path(steps), item, name_of(steps)))
            if len(found) >= limit:
                break
    return found


def walk(value: JSON) -> Iterator[tuple[tuple[Step, ...], JSON]]:
    """Every value inside ``value``, itself included, with the steps to it, parents before children, in document order."""
    stack: list[tuple[tuple[Step, ...], JSON]] = [((), value)]
    while stack:
        steps, item = stack.pop()
        yield steps, item
        if isinstance(item, dict):
            stack.extend([((*steps, key), child) for key, child in reversed(item.items())])
        elif isinstance(item, list):
            stack.extend([((*steps, index), item[index]) for index in range(len(item) - 1, -1, -1)])


def find_all(path: str, value: JSON) -> list[JSON]:
    """Every value that a JSONPath finds in ``value``.

    python-jsonpath takes a string for the *text* of a document; here a string is a document of its own.

    Raises:
        jsonpath.JSONPathError: the path is malformed.
    """
    if _NAMES.match(path):
        return _by_names(path, value)
    query = _compiled(path)
    if isinstance(value, str):
        return [value] if path.strip() == "$" else []
    return query.findall(value)


def _by_names(path: str, value: JSON) -> list[JSON]:
    """The commonest paths, ``$.a.b``, need no query: a gate follows them once for each entry of each list."""
    for name in path.split(".")[1:]:
        if not isinstance(value, dict) or name not in value:
            return []
        value = value[name]
    return [value]


@lru_cache(maxsize=4096)
def _compiled(path: str) -> CompoundJSONPath | JSONPath:
    return jsonpath.compile(path)


def json_path(steps: tuple[Step, ...]) -> str:
    """The JSONPath of ``steps``: ``$.items[0].id``, ``$['odd key']``."""
    parts = ["$"]
    for step in steps:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN.match(step):
            parts.append(f".{step}")
        else:
            parts.append(f"['{_TO_ESCAPE.sub(_escape, step)}']")
    return "".join(parts)


def json_pointer(steps: tuple[Step, ...]) -> str:
    """The JSON pointer (RFC 6901) of ``steps``: ``/items/0/id``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def pointer_steps(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON pointer; array indices stay strings."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def name_of(steps: tuple[Step, ...]) -> str:
    """The nearest object key in ``steps``, or the empty string."""
    return next((step for step in reversed(steps) if isinstance(step, str)), "")


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return _ESCAPES.get(char) or f"\\u{ord(char):04x}"
