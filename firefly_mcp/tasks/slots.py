"""Literals in a request: how each is written, and the parser that reads back every one that a request states.

Texts stand in quotation marks, of the first kind that does not occur in them; arrays and objects stand as JSON; numbers, dates,
times and ``true``/``false`` stand bare. Nothing else in a request may look like one of these, so what is recovered can be
compared with what the plan needs: every one, and only those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from firefly_mcp.canonical import canonical_json

LONGEST = 300
"""Characters of the longest text, or array as JSON, that a request states."""

_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("`", "`"))
_QUOTED = re.compile("|".join(f"{opening}([^{opening}{closing}]*){closing}" for opening, closing in _QUOTES))
_STAMP = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?|\d{1,2}:\d{2}(?::\d{2})?"
_BARE = re.compile(rf"(?<![\w.-])(?:({_STAMP})|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|set to (true|false))(?![\w-]|\.\d)")
_STAMP_ONLY = re.compile(_STAMP)
_DECODER = json.JSONDecoder()


def written(value: Any) -> str:
    """A literal as a request writes it. Only a :func:`writable` value is read back as it was."""
    if isinstance(value, bool):
        return f"set to {'true' if value else 'false'}"
    if isinstance(value, str):
        return value if _STAMP_ONLY.fullmatch(value) else _quoted(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(_plain_numbers(value), ensure_ascii=False)
    return repr(value)


def _plain_numbers(value: Any) -> Any:
    """Integral numbers without ``.0``, wherever they stand."""
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def writable(value: Any) -> bool:
    """Whether a request can state the value as it is.

    A number, a boolean, an array or object that is short as JSON, or a text of at most :data:`LONGEST` characters: of one or of
    several lines, with quotation marks as long as one kind is left to put around it, without blanks at its ends.
    """
    if isinstance(value, str):
        if not 0 < len(value) <= LONGEST or value != value.strip() or re.search(r"[\x00-\x08\x0b-\x1f]", value):
            return False
        return any(opening not in value and closing not in value for opening, closing in _QUOTES)
    if isinstance(value, list | dict):
        return len(written(value)) <= LONGEST
    return isinstance(value, bool | int | float)


def _quoted(text: str) -> str:
    for opening, closing in _QUOTES:
        if opening not in text and closing not in text:
            return f"{opening}{text}{closing}"
    return f'"{text}"'


def slots(request: str) -> list[Any]:
    """The literals that a request states, in order; texts and stamps as strings, numbers as numbers."""
    return [value for _, _, value in placed_slots(request)]


def placed_slots(request: str) -> list[tuple[int, int, Any]]:
    """The same with where each begins and ends in the request."""
    found: list[tuple[int, int, Any]] = []
    bare = list(request)
    for start, end, value in _enclosed(request):
        found.append((start, end, value))
        # What is enclosed is blanked, not cut, so that places stay as they are.
        bare[start:end] = " " * (end - start)
    for match in _BARE.finditer("".join(bare)):
        stamp, number, boolean = match.groups()
        value = stamp if stamp else boolean == "true" if boolean else _number(number)
        found.append((match.start(), match.end(), value))
    return sorted(found, key=lambda item: item[0])


def _enclosed(request: str) -> Iterator[tuple[int, int, Any]]:
    """Quoted texts, arrays and objects, from left to right."""
    at = 0
    while at < len(request):
        if request[at] in "[{":
            try:
                value, end = _DECODER.raw_decode(request, at)
            except ValueError:
                at += 1
                continue
            yield at, end, value
            at = end
            continue
        match = _QUOTED.match(request, at)
        if match:
            yield match.start(), match.end(), next(group for group in match.groups() if group is not None)
        at = match.end() if match else at + 1


def difference(needed: Iterable[Any], request: str) -> tuple[list[Any], list[Any]]:
    """``(missing, extra)``: literals the plan needs that the request does not state, and the other way round."""
    stated = {canonical_json(_form(value)): value for value in slots(request)}
    wanted = {canonical_json(_form(value)): value for value in needed}
    missing = [value for key, value in wanted.items() if key not in stated]
    extra = [value for key, value in stated.items() if key not in wanted]
    return missing, extra


def _form(value: Any) -> Any:
    """Booleans apart from texts of the same letters."""
    return {"boolean": value} if isinstance(value, bool) else value


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
