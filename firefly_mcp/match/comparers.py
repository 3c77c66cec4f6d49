"""The comparer of each kind: a named function that gives every spelling of one value the same normal form.

Two values are the same when their normal forms are equal. Each function leaves alone what it cannot read whole and without
doubt, so that the worst is an honest miss. All can be switched off by name in a tool's rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from firefly_mcp.match.kinds import ArgumentKind

Comparer = Callable[[Any], Any]

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|october oct"
        "|november nov|december dec".split("|"),
        start=1,
    )
    for name in names.split()
}
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?[\s-]+([a-z]+)\.?,?[\s-]+(\d{4})")
_MONTH_DAY = re.compile(r"([a-z]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_YEAR_MONTH_DAY = re.compile(r"(\d{4})[\s,-]+([a-z]+)\.?[\s-]+(\d{1,2})(?:st|nd|rd|th)?")
_WEEKDAY = re.compile(r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?\s*([ap])?\.?(m)?\.?")
_SPACES = re.compile(r"\s+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}


def trim_strings(value: Any) -> Any:
    """Strings in Unicode NFC, without white space at the ends: what a keyboard or an editor adds unseen."""
    if not isinstance(value, str):
        return value
    return value.strip() if value.isascii() else unicodedata.normalize("NFC", value).strip()


def whole_numbers(value: Any) -> Any:
    """``5.0`` is 5: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def coerce_integers(value: Any) -> Any:
    """``"5"`` and ``"1,200"`` are integers where the schema wants one, as servers that validate leniently read them."""
    return _coerced(value, fraction=False)


def coerce_numbers(value: Any) -> Any:
    """``"5"``, ``"1,234.50"`` and ``"1.5e3"`` are numbers where the schema wants one."""
    return _coerced(value, fraction=True)


def _coerced(value: Any, *, fraction: bool) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace(",", "") if _GROUPED.fullmatch(value) else value
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number.is_integer():
            return int(number)
        return number if fraction else value
    return value


def coerce_booleans(value: Any) -> Any:
    """``"true"`` and ``"False"`` are booleans where the schema wants one."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def parse_dates(value: Any) -> Any:
    """``Jan 5, 2024``, ``5 January 2024``, ``2024/1/5`` and ``13.01.2024`` are ``2024-01-05`` and ``2024-01-13``.

    ``01/05/2024`` is two different days in two countries and stays as it is.
    """
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return value
    found = _date_parts(value)
    if found is None:
        return value
    try:
        return date(*found).isoformat()
    except ValueError:
        return value


def _date_parts(value: str) -> tuple[int, int, int] | None:
    if re.fullmatch(r"\d{8}", value):
        return int(value[:4]), int(value[4:6]), int(value[6:])
    if match := _YEAR_FIRST.fullmatch(value):
        year, month, day = match.groups()
        return int(year), int(month), int(day)
    if match := _YEAR_LAST.fullmatch(value):
        first, second, year = (int(part) for part in match.groups())
        if first > 12 >= second:
            return year, second, first
        if second > 12 >= first or first == second:
            return year, first, second
        return None
    text = _WEEKDAY.sub("", value.lower(), count=1)
    for pattern, order in ((_DAY_MONTH, (2, 1, 0)), (_MONTH_DAY, (2, 0, 1)), (_YEAR_MONTH_DAY, (0, 1, 2))):
        if match := pattern.fullmatch(text):
            year, name, day = (match.groups()[at] for at in order)
            return (int(year), _MONTHS[name], int(day)) if name in _MONTHS else None
    return None


def parse_moments(value: Any) -> Any:
    """Times of a day in one ISO 8601 form, with their offset turned to UTC: one moment has many spellings."""
    if not isinstance(value, str) or len(value) < 16:
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return moment.isoformat()


def parse_times(value: Any) -> Any:
    """``8:00``, ``08:00:00`` and ``8 AM`` are ``08:00``; a bare number is not a time."""
    if not isinstance(value, str) or not 3 <= len(value) <= 13:
        return value
    match = _CLOCK.fullmatch(value.lower())
    if match is None:
        return value
    hour, minute, second, half, m = int(match[1]), match[2], match[3], match[4], match[5]
    if bool(half) != bool(m) or (minute is None and not half) or (half and not 1 <= hour <= 12) or hour > 23:
        return value
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if int(minute or 0) > 59 or int(second or 0) > 59:
        return value
    shown = f"{hour:02}:{int(minute or 0):02}"
    return shown if not int(second or 0) else f"{shown}:{second}"


def parse_uris(value: Any) -> Any:
    """Scheme and host in lower case, no default port, ``/`` for no path, escapes in capitals (RFC 3986, 6.2)."""
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return value
    if not parts.scheme or not parts.hostname:
        return value
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower()
    if port is not None and _PORTS.get(parts.scheme) == port:
        host = host.rpartition(":")[0]
    rest = (_ESCAPE.sub(lambda found: found[0].upper(), part) for part in (parts.path or "/", parts.query, parts.fragment))
    return urlunsplit((parts.scheme.lower(), user + at + host, *rest))


def normalize_paths(value: Any) -> Any:
    """``./a//b/./c`` is ``a/b/c``. ``..`` stays, for a link may lead elsewhere, and so does a slash at the end."""
    if not isinstance(value, str) or "/" not in value or "://" in value:
        return value
    end = "/" if value.endswith("/") and len(value) > 1 else ""
    steps = [step for step in value.split("/") if step not in ("", ".")]
    if not steps:
        return "/" if value.startswith("/") else "."
    return ("/" if value.startswith("/") else "") + "/".join(steps) + end


def fold_uuids(value: Any) -> Any:
    """A UUID in lower case: its letters are hexadecimal digits (RFC 9562)."""
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value) else value


def collapse_spaces(value: Any) -> Any:
    """Free text with single spaces: a line break or a doubled space asks nothing else. Text in code blocks stays."""
    return _SPACES.sub(" ", value) if isinstance(value, str) and "```" not in value else value


def fold_enum(options: list[str]) -> Comparer:
    """The comparer of one enum: a value in another case is the enum's own spelling, if exactly one fits."""
    exact = frozenset(options)
    folded: dict[str, str | None] = {}
    for option in options:
        folded[option.casefold()] = None if option.casefold() in folded else option

    def fold_enums(value: Any) -> Any:
        if not isinstance(value, str) or value in exact:
            return value
        return folded.get(value.casefold()) or value

    return fold_enums


COMPARERS: dict[ArgumentKind, tuple[Comparer, ...]] = {
    ArgumentKind.IDENTIFYING: (),
    ArgumentKind.NUMBER: (),
    ArgumentKind.BOOLEAN: (),
    ArgumentKind.ENUM: (),
    ArgumentKind.CODE: (),
    ArgumentKind.DATE: (parse_dates,),
    ArgumentKind.DATE_TIME: (parse_moments,),
    ArgumentKind.TIME: (parse_times,),
    ArgumentKind.PATH: (normalize_paths,),
    ArgumentKind.URL: (parse_uris,),
    ArgumentKind.UUID: (fold_uuids,),
    ArgumentKind.FREE_TEXT: (collapse_spaces,),
}
"""What is done to a string of each kind. Numbers, booleans and enums are read by what the schema wants (:mod:`.plan`): digits
in a place for strings are a code, and ``007`` is not ``7``."""

RULE_NAMES: tuple[str, ...] = (
    "trim_strings",
    "whole_numbers",
    "coerce_numbers",
    "coerce_booleans",
    "fold_enums",
    "parse_dates",
    "parse_moments",
    "parse_times",
    "parse_uris",
    "normalize_paths",
    "fold_uuids",
    "collapse_spaces",
    "drop_empty",
    "fill_defaults",
    "sort_unique_items",
)
"""Every normalization rule by the name under which a tool can switch it off."""
