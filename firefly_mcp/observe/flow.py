"""Which earlier answer did an argument come from? Found by value, in one pass over a session.

An argument's value is credited to an earlier result when all of this holds: it is informative (not ``true``, ``1``, ``""`` …);
that result returned it, and was complete before the call was made; its own call did not already carry it (an echo reveals
nothing); and the caller had not used the value before any result showed it, for then the caller knew it by itself, which
no later result can change. Strings are compared trimmed, numbers by value, and a number inside a string as that number.
Values are looked up in a dictionary, so the cost grows with the session, not with its pairs of calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from firefly_mcp.canonical import canonical_json
from firefly_mcp.observe.leaves import Step, json_path, json_pointer, walk
from firefly_mcp.observe.prose import Found, regex_for, values_in
from firefly_mcp.observe.success import is_success
from firefly_mcp.observe.values import THRESHOLD, informative, number_in
from firefly_mcp.observe.view import result_view
from firefly_mcp.types import Call

Key = int | float | str | bytes

_COMPOSED_THRESHOLD = 0.6
_COMPOSED_WEIGHT = 0.5
_OTHER_SOURCE_WEIGHT = 0.5
_SOURCES = 3
_LIMIT = 5000
_PIECE = re.compile(r"[^\W_](?:[\w.@:/#+-]*\w)?|\"[^\"\n]{2,120}\"|'[^'\n]{2,120}'")


@dataclass(frozen=True)
class Flow:
    """One value that went from a result into an argument.

    Attributes:
        source: id of the call that returned the value.
        target: id of the call that used it.
        path: JSONPath in the source's view; empty when the source is prose.
        argument: JSON pointer into the target's arguments.
        value: the argument's value (for a composed string, the part that flowed).
        weight: 0..1, how much the value tells; halved for a part of a longer string and for sources that were not the first.
        regex: for prose, a pattern with one group that finds the value in the source's text.
        whole: whether the value is the whole argument (leaf, array or object), not a part of a longer string.
    """

    source: int
    target: int
    path: str
    argument: str
    value: Any
    weight: float
    regex: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Source:
    call: Call
    steps: tuple[Step, ...] | None
    text: str = ""
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class _Use:
    steps: tuple[Step, ...]
    value: Any
    key: Key
    weight: float
    whole: bool = True


def flows(calls: Sequence[Call]) -> list[Flow]:
    """The flows within each session, in the order of the calls given.

    Only answered tool calls take part; a flow's target must have succeeded as well. Each argument is credited to the result
    that first showed its value, and at half weight to at most two others that showed it too, the latest first.
    """
    found: list[Flow] = []
    tool_calls = [call for call in calls if call.tool is not None]
    for _, group in groupby(sorted(tool_calls, key=lambda call: call.session), key=lambda call: call.session):
        found.extend(_session_flows(list(group)))
    return found


def value_key(value: Any) -> Key | None:
    """What two appearances of a value are compared by; None for values that are never compared."""
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


def _session_flows(calls: list[Call]) -> Iterator[Flow]:
    uses = [list(_uses(call.arguments)) for call in calls]
    wanted = {use.key for per_call in uses for use in per_call}
    containers = any(isinstance(use.key, bytes) for per_call in uses for use in per_call)
    sources: dict[Key, list[_Source]] = {}
    own: set[Key] = set()
    for call, used in zip(calls, uses, strict=True):
        success = is_success(call)
        if success:
            yield from _credit(call, used, sources, own)
        own.update(use.key for use in used if use.key not in sources)
        if success and wanted:
            carried = {use.key for use in used}
            shown: set[Key] = set()
            for key, source in _shown(call, wanted, containers):
                if key not in carried and key not in shown:
                    shown.add(key)
                    sources.setdefault(key, []).append(source)


def _credit(call: Call, used: Iterable[_Use], sources: dict[Key, list[_Source]], own: set[Key]) -> Iterator[Flow]:
    covered: list[tuple[Step, ...]] = []
    for use in used:
        if use.key in own or any(use.steps[: len(steps)] == steps for steps in covered):
            continue
        earlier = [source for source in sources.get(use.key, ()) if _before(source.call, call)]
        if not earlier:
            continue
        if isinstance(use.value, dict | list):
            covered.append(use.steps)
        chosen = [earlier[0], *reversed(earlier[1:])][:_SOURCES]
        for rank, source in enumerate(chosen):
            regex = regex_for(source.text, source.found) if source.found is not None else ""
            if source.steps is None and not regex:
                continue
            yield Flow(
                source=source.call.id,
                target=call.id,
                path="" if source.steps is None else json_path(source.steps),
                argument=json_pointer(use.steps),
                value=use.value,
                weight=round(use.weight * (_OTHER_SOURCE_WEIGHT if rank else 1.0), 4),
                regex=regex,
                whole=use.whole,
            )


def _before(source: Call, target: Call) -> bool:
    """Whether the source's answer was there when the target was asked; only overlapping calls need a look at the clock."""
    if not target.overlaps or not source.overlaps or source.duration_ms is None:
        return True
    return source.started_at + source.duration_ms / 1000 <= target.started_at


def _uses(arguments: Any) -> Iterator[_Use]:
    """The informative values that a call's arguments carry: containers, leaves, and pieces of longer strings."""
    for count, (steps, value) in enumerate(walk(arguments)):
        if count > _LIMIT:
            return
        weight = informative(value)
        if weight < THRESHOLD or not steps:
            continue
        key = value_key(value)
        if key is None or (isinstance(value, dict | list) and len(value) < 2):
            continue
        yield _Use(steps, value, key, weight)
        if isinstance(value, str) and len(value) > 8 and re.search(r"[^\w.-]", value.strip()):
            seen = {key}
            for piece in _PIECE.findall(value[:4000]):
                part = piece.strip("\"'")
                part_weight = informative(part)
                part_key = value_key(part)
                if part_weight >= _COMPOSED_THRESHOLD and part_key is not None and part_key not in seen:
                    seen.add(part_key)
                    yield _Use(steps, part, part_key, part_weight * _COMPOSED_WEIGHT, whole=False)


def _shown(call: Call, wanted: set[Key], containers: bool) -> Iterator[tuple[Key, _Source]]:
    """The values of a call's result that some argument of the session carries; those are informative already."""
    view = result_view(call.result)
    if view.kind == "text":
        for item in values_in(view.value, limit=_LIMIT):
            key = value_key(item.value)
            if key in wanted:
                yield key, _Source(call, None, view.value, item)
        return
    for count, (steps, value) in enumerate(walk(view.value)):
        if count > 2 * _LIMIT:
            return
        if isinstance(value, dict | list):
            if containers and 1 < len(value) <= 1000:
                key = canonical_json(value)
                if key in wanted:
                    yield key, _Source(call, steps)
            continue
        key = value_key(value)
        if key in wanted:
            yield key, _Source(call, steps)
