"""A text that a regular expression matches, for the simple ones that schemas hold (``^\\d{4}-\\d{2}$``)."""

from __future__ import annotations

import re
from random import Random
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_LONGEST = 200
_MORE = 3
"""How often an unbounded part is repeated beyond its least."""


def matching(pattern: str, rng: Random) -> str | None:
    """A text that matches ``pattern`` as a whole; None where the pattern is too long, broken, or of a kind not handled."""
    if len(pattern) > _LONGEST:
        return None
    try:
        made = "".join(_draw(item, rng) for item in parser.parse(pattern))
        return made if len(made) <= _LONGEST and re.search(pattern, made) else None
    except (re.error, RecursionError, OverflowError, ValueError, IndexError):
        return None


def _draw(item: tuple[Any, Any], rng: Random) -> str:
    kind, value = str(item[0]), item[1]
    if kind == "LITERAL":
        return chr(value)
    if kind == "AT" or kind.startswith("ASSERT"):
        return ""
    if kind == "ANY":
        return rng.choice("abcdef")
    if kind == "IN":
        return _one_of(value, rng)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        times = rng.randint(least, min(int(most), least + _MORE)) if least < int(most) else least
        if times > _LONGEST:
            raise ValueError("a repeat too long")
        return "".join(_draw(part, rng) for _ in range(times) for part in inner)
    if kind == "SUBPATTERN":
        return "".join(_draw(part, rng) for part in value[-1])
    if kind == "BRANCH":
        return "".join(_draw(part, rng) for part in rng.choice(value[1]))
    if kind == "NOT_LITERAL":
        return rng.choice([letter for letter in "abcxyz" if ord(letter) != value])
    raise ValueError(kind)


_CLASSES = {"DIGIT": "0123456789", "WORD": "abcdefghijkmnpqrstuvwxyz23456789", "SPACE": " "}


def _one_of(items: list[tuple[Any, Any]], rng: Random) -> str:
    pool: list[str] = []
    negated = False
    for kind, value in items:
        name = str(kind)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            pool.append(chr(value))
        elif name == "RANGE":
            pool += [chr(code) for code in range(value[0], min(value[1], value[0] + 90) + 1)]
        elif name == "CATEGORY":
            pool += _CLASSES.get(str(value).rpartition("_")[2], "")
    if negated:
        pool = [letter for letter in "abcdefgh12345" if letter not in pool]
    letters = [letter for letter in pool if letter.isalnum()]
    return rng.choice(letters or pool)
