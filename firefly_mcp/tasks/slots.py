"""The slot parser: read back from a request every literal that it states.

Texts stand in double quotes; numbers, dates, times and ``true``/``false`` stand bare. Nothing else in a request may look
like one of these, so what is recovered can be compared with what the plan needs: every one, and only those.
"""

from __future__ import annotations

import re
from typing import Any

from firefly_mcp.canonical import canonical_json

_QUOTED = re.compile(r'"([^"]*)"')
_STAMP = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?|\d{1,2}:\d{2}(?::\d{2})?"
_BARE = re.compile(rf"(?<![\w.-])(?:({_STAMP})|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|set to (true|false))(?![\w-]|\.\d)")
_STAMP_ONLY = re.compile(_STAMP)


def written(value: Any) -> str:
    """A literal as a request writes it."""
    if isinstance(value, bool):
        return f"set to {'true' if value else 'false'}"
    if isinstance(value, str):
        return value if _STAMP_ONLY.fullmatch(value) else f'"{value}"'
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)


def slots(request: str) -> list[Any]:
    """The literals that a request states, in order; texts and stamps as strings, numbers as numbers."""
    found: list[tuple[int, Any]] = [(match.start(), match.group(1)) for match in _QUOTED.finditer(request)]
    # Quoted text is blanked, not cut, so that places stay as they are.
    bare = _QUOTED.sub(lambda match: " " * len(match.group()), request)
    for match in _BARE.finditer(bare):
        stamp, number, boolean = match.groups()
        value: Any = stamp if stamp else boolean == "true" if boolean else _number(number)
        found.append((match.start(), value))
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def difference(needed: list[Any], request: str) -> tuple[list[Any], list[Any]]:
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
