"""How much a value tells: would it turn up in two places by chance?

:func:`informative` is a fixed scale, not learned, so that the same recording gives the same graph everywhere.
"""

from __future__ import annotations

import math
import re
from typing import Any

from firefly_mcp.canonical import canonical_json

Key = int | float | str | bytes

THRESHOLD = 0.3
"""A value below this is too common to be evidence of a flow."""

_OF_DATE = 0.55
_COMMON = frozenset(
    """
    true false yes no on off none null nil undefined nan na n/a unknown other default auto all any both empty unset
    ok okay success successful error errors failed failure fail pass passed done pending active inactive enabled disabled
    open opened closed new old low medium high normal info warning warn debug critical minor major asc desc ascending
    descending left right top bottom center start end first last next previous up down in out read write
    string str number integer int float double bool boolean object array list dict json xml html csv text txt markdown md
    yaml pdf png svg utf-8 utf8 get post put delete patch create update add remove set append replace insert
    day days week weeks month months year years hour hours minute minutes second seconds daily weekly monthly yearly
    quarterly annual male female m f en us usd eur gbp utc gmt id name title type value key data result results status
    message user item test example sample foo bar main master public private available completed complete running todo
    small large red green blue black white simple basic standard summary full short long compact detailed
    """.split()
)
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?\Z")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z", re.I)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TIME = re.compile(r"[0-2]\d:[0-5]\d(?::00)?\Z")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}\Z|[a-z][a-z0-9+.-]*://\S+\Z", re.I)
_CODE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.:/#@+-]+\Z")


def number_in(text: str) -> int | float | None:
    """The number that a whole string writes in plain decimal form, or None (``"007"`` is a code, not a number)."""
    trimmed = text.strip()
    if not _NUMBER.match(trimmed):
        return None
    return float(trimmed) if "." in trimmed else int(trimmed)


def value_key(value: Any) -> Key | None:
    """What two appearances of a value are compared by; None for values that are never compared.

    Strings are taken trimmed, a number inside a string as that number, a container in canonical form.
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        number = number_in(value)
        return value_key(number) if number is not None else value.strip() or None
    return canonical_json(value) if value else None


def family(key: Key | None) -> str:
    """Which small family of values a key belongs to: dates, whole numbers of up to five digits; empty for all others.

    A result that shows many of one family shows any given one of them by chance (:func:`among`).
    """
    if isinstance(key, str):
        return "date" if _DATE.match(key) else ""
    return str(len(str(abs(key)))) if isinstance(key, int) and abs(key) < 100_000 else ""


def among(weight: float, count: int) -> float:
    """How much a value tells that is one of ``count`` different ones of its family: every tenfold more adds a power of it."""
    return float(weight ** (1.0 + math.log10(max(1, count))))


def informative(value: Any) -> float:
    """How unlikely it is that ``value`` turns up in two places by chance, from 0 to 1.

    0 for None, booleans, empty values, 0 and ±1; low for small or round numbers, short strings and the words that schemas
    use as enums; near 1 for ids, long numbers, addresses and names. Containers tell as much as their best member.
    """
    if value is None or isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float):
        return _of_number(value)
    if isinstance(value, str):
        return _of_text(value.strip())
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((informative(member) for member in members), default=0.0)


def _of_number(value: int | float) -> float:
    if isinstance(value, float):
        if not math.isfinite(value):
            return 0.0
        if not value.is_integer():
            digits = len(repr(abs(value)).split("e")[0].replace(".", "").strip("0"))
            return min(0.95, 0.1 + 0.17 * digits)  # 0.5 → 0.27, 12.5 → 0.61, 3.14159 → 0.95
        value = int(value)
    size = abs(value)
    if size <= 1:
        return 0.0
    if size <= 10:
        return 0.1
    if 1900 <= size <= 2100:
        return 0.3
    digits = len(str(size))
    significant = len(str(size).rstrip("0"))
    return min(0.97, {2: 0.25, 3: 0.45, 4: 0.6, 5: 0.75, 6: 0.85}.get(digits, 0.95) * (0.4 + 0.6 * significant / digits))


def _of_text(text: str) -> float:
    if len(text) < 2 or text.lower() in _COMMON:
        return 0.0
    number = number_in(text)
    if number is not None:
        return _of_number(number)
    if _DATE.match(text):
        return _OF_DATE
    if _TIME.match(text):  # times of the day are agreed upon, not looked up: the same one turns up everywhere
        return 0.25
    if _UUID.match(text) or _ADDRESS.match(text) or _DATE_TIME.match(text):
        return 1.0
    if len(text) == 2:
        return 0.05
    if _CODE.match(text):  # letters and digits: usr_88, HAT135, v1.2
        return min(1.0, 0.4 + 0.1 * len(text))
    words = len(text.split())
    if words > 1:
        return min(0.95, 0.5 + 0.08 * words + 0.01 * len(text))
    if text.islower() and text.isalpha():  # one plain word
        return min(0.6, 0.06 * len(text))
    if not any(char.isalpha() for char in text):  # punctuation, phone numbers, times
        return min(0.9, 0.08 * sum(char.isdigit() for char in text))
    return min(0.9, 0.1 + 0.1 * len(text))  # names, codes in capitals, joined words
