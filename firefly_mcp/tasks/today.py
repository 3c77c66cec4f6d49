"""Values that are the day's own: asked again on another day, the same call gives another."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from firefly_mcp.jsonio import JsonObject, text

_DATED = re.compile(r"\d{4}-\d{2}")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def tells_the_day(value: Any, day: date, arguments: JsonObject) -> bool:
    """Whether a value is the date ``day``, its weekday, or that of the day before or after.

    Args:
        value: of a result.
        day: when the call was made.
        arguments: of the call; a weekday that was worked out from a date in them is not the day's own.
    """
    said = str(value).strip()
    near = [day + timedelta(days=shift) for shift in (-1, 0, 1)]
    if said[:10] in {other.isoformat() for other in near}:
        return True
    return said.lower() in {_WEEKDAYS[other.weekday()] for other in near} and not _DATED.search(text(arguments))
