"""Values that are the day's own: asked again on another day, the same call gives another."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from firefly_mcp.jsonio import JsonObject, text

_DATED = re.compile(r"\d{4}-\d{2}")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTS: tuple[tuple[re.Pattern[str], Callable[[date], int]], ...] = (
    (re.compile(r"week"), lambda day: day.isocalendar().week),
    (re.compile(r"day.?of.?(?:the.?)?year|yday|ordinal"), lambda day: day.timetuple().tm_yday),
    (re.compile(r"month"), lambda day: day.month),
    (re.compile(r"quarter"), lambda day: (day.month + 2) // 3),
    (re.compile(r"year"), lambda day: day.year),
    (re.compile(r"day"), lambda day: day.day),
)
"""What a number of a day is called, and the number."""


def tells_the_day(value: Any, day: date, arguments: JsonObject, called: str = "") -> bool:
    """Whether a value is the date ``day``, its weekday, or that of the day before or after; or, where it is called so, the
    number of its week, month, quarter, year or day.

    Args:
        value: of a result.
        day: when the call was made.
        arguments: of the call; a weekday or number that was worked out from a date in them is not the day's own.
        called: the name of the value in the result.
    """
    said = str(value).strip()
    near = [day + timedelta(days=shift) for shift in (-1, 0, 1)]
    if said[:10] in {other.isoformat() for other in near}:
        return True
    if _DATED.search(text(arguments)):
        return False
    if said.lower() in {_WEEKDAYS[other.weekday()] for other in near}:
        return True
    count = next((count for pattern, count in _COUNTS if pattern.search(called.lower())), None)
    return count is not None and said in {str(count(other)) for other in near} and not _gives_numbers(arguments)


def _gives_numbers(arguments: JsonObject) -> bool:
    """Whether a number was handed in from which a count may have been worked out."""
    return re.search(r"\d", text(arguments)) is not None
