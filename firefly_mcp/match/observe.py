"""Kinds that the recorded values show, where neither schema nor name says: most schemas say ``string`` and no more.

Looked at are the first recorded calls of a tool only, so that the kinds, and with them every hash, stand still once a tool has
been recorded a while.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.comparers import parse_dates, parse_moments, parse_times
from firefly_mcp.match.kinds import TEXT_NAMED, UNDECIDED, ArgumentKind
from firefly_mcp.match.plan import Plan, escaped, plan_of
from firefly_mcp.match.words import read

LOOKED_AT = 128
"""Calls of a tool that decide."""
_ENOUGH = 3
"""Distinct values before anything is concluded."""
_FEW = 8
_REPEATS = 5
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d)?")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_PATH = re.compile(r"(?:~|\.{1,2})?/[^\s<>|]+|[\w.-]+/[\w./-]+\.\w{1,5}")
_CODE = re.compile(r"(?=.*[\d_:=./@-])\S+|[A-Z]{2,}")
_SHAPES: tuple[tuple[ArgumentKind, Callable[[str], bool]], ...] = (
    (ArgumentKind.DATE, lambda value: bool(_ISO_DATE.fullmatch(value)) and parse_dates(value) == value),
    (ArgumentKind.DATE_TIME, lambda value: bool(_ISO_MOMENT.fullmatch(value)) and parse_moments(value) != ""),
    (ArgumentKind.TIME, lambda value: bool(_CLOCK.fullmatch(value)) and len(str(parse_times(value))) >= 5),
    (ArgumentKind.URL, lambda value: bool(_URL.fullmatch(value))),
    (ArgumentKind.PATH, lambda value: bool(_PATH.fullmatch(value))),
    (ArgumentKind.CODE, lambda value: bool(_CODE.fullmatch(value))),
)


def observed_kinds(calls: Iterable[JsonObject], schema: JsonObject) -> Mapping[str, ArgumentKind]:
    """Kinds by JSON pointer (list items as ``*``) of the arguments that the recorded calls decide.

    Args:
        calls: the arguments of the first :data:`LOOKED_AT` recorded calls of one tool, in order.
        schema: its input schema.
    """
    seen: dict[str, list[str]] = defaultdict(list)
    declared: dict[str, str] = {}
    for arguments in calls:
        _collect(plan_of(schema), "", arguments, seen, declared)
    found = {where: _shown(values, declared[where]) for where, values in seen.items()}
    return {where: kind for where, kind in sorted(found.items()) if kind is not None}


def _collect(plan: Plan, where: str, value: Any, seen: dict[str, list[str]], declared: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(plan.child(key), f"{where}/{escaped(key)}", item, seen, declared)
    elif isinstance(value, list):
        for item in value:
            _collect(plan.item(), f"{where}/*", item, seen, declared)
    elif isinstance(value, str) and plan.declared in (UNDECIDED, TEXT_NAMED) and value.strip():
        seen[where].append(value.strip())
        declared[where] = str(plan.declared)


def _shown(values: list[str], declared: str) -> ArgumentKind | None:
    """One shape that all values have; else few values that come again and again, as an enum's do; else sentences."""
    distinct = set(values)
    if len(distinct) < _ENOUGH:
        return None
    for kind, fits in _SHAPES:
        if all(map(fits, distinct)):
            return kind
    if declared == TEXT_NAMED:
        return None
    if len(distinct) <= _FEW and len(values) >= _REPEATS * len(distinct) and all(value.count(" ") < 3 for value in distinct):
        return ArgumentKind.CODE
    wordy = sum(len(read(value)) >= 3 and value.count(" ") >= 3 for value in distinct)
    return ArgumentKind.FREE_TEXT if wordy * 2 > len(distinct) else None
