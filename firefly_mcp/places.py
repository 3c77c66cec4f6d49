"""Places inside JSON: a pointer (RFC 6901, with ``*`` for every member) or a JSONPath (RFC 9535); replacing what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from firefly_mcp.jsonio import JSON

Steps = tuple[str | int, ...]
_INDEX = re.compile(r"0|[1-9][0-9]*")


class PlaceError(ValueError):
    """The text is neither a pointer nor a path."""


@lru_cache(maxsize=256)
def parse_place(text: str) -> Callable[[JSON], list[Steps]]:
    """A function that finds the place in a document: the steps to each value there, none when it is not there.

    Raises:
        PlaceError: the text is neither a pointer (``/items/*/id``) nor a path (``$.items[*].id``).
    """
    if text.startswith("/"):
        if re.search(r"~(?![01])", text):
            raise PlaceError(f"{text!r}: in a pointer '~' is written '~0', and '/' inside a name '~1'")
        keys = [key.replace("~1", "/").replace("~0", "~") for key in text[1:].split("/")]
        return lambda value: list(_follow(value, keys, ()))
    if text.startswith("$"):
        import jsonpath

        try:
            path = jsonpath.compile(text)
        except jsonpath.JSONPathError as error:
            why = str(error).strip().splitlines()[0]
            raise PlaceError(f"{text!r} is not a JSONPath: {why}") from error
        # The library takes a text for a document that it has to decode.
        return lambda value: [tuple(m.parts) for m in path.finditer(value)] if isinstance(value, dict | list) else []
    raise PlaceError(f"{text!r} is neither a JSON pointer (it begins with '/') nor a JSONPath (it begins with '$')")


def _follow(value: Any, keys: Sequence[str], before: Steps) -> Iterator[Steps]:
    if not keys:
        yield before
        return
    key, *rest = keys
    if isinstance(value, dict):
        for name in value if key == "*" else (key,):
            if name in value:
                yield from _follow(value[name], rest, (*before, name))
    elif isinstance(value, list):
        for index in range(len(value)) if key == "*" else [int(key)] if _INDEX.fullmatch(key) else []:
            if index < len(value):
                yield from _follow(value[index], rest, (*before, index))


def replaced(value: JSON, steps: Steps, change: Callable[[JSON], JSON]) -> JSON:
    """The document with the value at ``steps`` changed; the same object where the change gives the same object back."""
    if not steps:
        return change(value)
    if not isinstance(value, dict | list):
        return value  # something around it was replaced already
    step, rest = steps[0], steps[1:]
    copy: Any = value.copy()
    before = copy[step]
    after = replaced(before, rest, change)
    if after is before:
        return value
    copy[step] = after
    return copy
