"""The reward: 1.0 if every field of an answer equals the label's under typed comparison, else 0.0. Pure and fast.

The same function scores training, benchmarks and the task server. Integers are exact; a float may be off by a millionth of
the label or by half of the label's last written digit; texts are compared without regard to case, outer blanks and Unicode
form; dates in any ISO 8601 spelling; arrays in order, or as sets where the schema says ``uniqueItems``; no field may be
missing and none may be added.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.observe import number_in

RELATIVE = 1e-6
_DECODER = json.JSONDecoder()
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")


def reward(answer: JSON, label: JsonObject, schema: JsonObject | None = None) -> float:
    """Score an answer.

    Args:
        answer: what was answered; anything but an object scores 0.
        label: the task's answer.
        schema: the task's answer schema; only ``uniqueItems`` of array fields is read.

    Returns:
        1.0 or 0.0.
    """
    if not isinstance(answer, dict) or set(answer) != set(label):
        return 0.0
    fields = (schema or {}).get("properties") or {}
    return float(all(equal(answer[name], label[name], unordered=_is_set(fields.get(name))) for name in label))


def equal(given: Any, wanted: Any, *, unordered: bool = False) -> bool:
    """Whether one value equals the label's, by the label's type."""
    if wanted is None or isinstance(wanted, bool):
        return given is wanted
    if isinstance(wanted, int | float):
        return _equal_number(given, wanted)
    if isinstance(wanted, str):
        return _equal_text(given, wanted)
    if isinstance(wanted, list):
        return _equal_list(given, wanted, unordered)
    return isinstance(given, dict) and set(given) == set(wanted) and all(equal(given[key], wanted[key]) for key in wanted)


def answer_in(text: str) -> JsonObject | None:
    """The last JSON object in a final message, fenced or not; None when there is none. An object inside another is a field."""
    found: JsonObject | None = None
    place = text.find("{")
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found = value
        place = text.find("{", end)
    return found


def _equal_number(given: Any, wanted: int | float) -> bool:
    if isinstance(given, str):
        number = number_in(given)
        given = given if number is None else number
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    if isinstance(wanted, int):
        return given == wanted
    return given == wanted or abs(given - wanted) <= max(RELATIVE * abs(wanted), _half_last_digit(wanted))


def _half_last_digit(wanted: float) -> float:
    """Half a unit of the last digit in which the label is written: 0.005 for 12.34; 0 for an integral label."""
    exponent = Decimal(repr(wanted)).normalize().as_tuple().exponent
    return 0.5 * 10.0**exponent if isinstance(exponent, int) and exponent < 0 else 0.0


def _equal_text(given: Any, wanted: str) -> bool:
    if isinstance(given, int | float) and not isinstance(given, bool):
        number = number_in(wanted)
        return number is not None and _equal_number(given, number)
    if not isinstance(given, str):
        return False
    if _plain(given) == _plain(wanted):
        return True
    if _DATE.fullmatch(wanted.strip()) and _DATE.fullmatch(given.strip()):
        moments = [_moment(text) for text in (given, wanted)]
        return moments[0] is not None and moments[0] == moments[1]
    number = number_in(wanted)
    return number is not None and _equal_number(given, number)


def _equal_list(given: Any, wanted: list[Any], unordered: bool) -> bool:
    if not isinstance(given, list) or len(given) != len(wanted):
        return False
    if not unordered:
        return all(equal(left, right) for left, right in zip(given, wanted, strict=True))
    rest = list(given)
    for item in wanted:
        place = next((at for at, other in enumerate(rest) if equal(other, item)), None)
        if place is None:
            return False
        del rest[place]
    return True


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _is_set(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("uniqueItems") is True
