"""Which earlier answer did an argument come from? Found by value, in one pass over a session.

An argument's value is credited to an earlier result when all of this holds: it is informative (not ``true``, ``1``, ``""`` …)
and not offered by the tool's own schema; that result showed it, and was complete before the call was made; its own call did not
already carry it (an echo reveals nothing); and the caller had not used the value before any result showed it, for then the
caller knew it by itself, which no later result can change. Strings are compared trimmed, numbers by value, and a number inside
a string as that number. Values are looked up in a dictionary, so the cost grows with the session, not with its pairs of calls.

Two things weigh with the value itself. Dates and short numbers are everywhere: one of many in a result tells little
(:func:`~firefly_mcp.observe.values.among`). A field that bears the argument's very name tells much: from it a date or a short
number counts in full, and a plain word such as ``city`` counts at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from firefly_mcp.observe.leaves import Step, json_path, json_pointer, name_of, walk
from firefly_mcp.observe.prose import regex_for
from firefly_mcp.observe.shown import LIMIT, Source, folded, shown
from firefly_mcp.observe.success import is_success
from firefly_mcp.observe.told import values_told
from firefly_mcp.observe.values import THRESHOLD, Key, among, family, informative, value_key
from firefly_mcp.types import Call, Tool, ToolKey

_NAMED_THRESHOLD = 0.2
"""A value of this weight counts where field and argument bear the same name."""
_COMPOSED_THRESHOLD = 0.6
_COMPOSED_WEIGHT = 0.5
_OTHER_SOURCE_WEIGHT = 0.5
_SOURCES = 3
_ECHOES = 2
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
        echo: whether the source only passed the value on: its own arguments carried it, after an earlier result showed it.
    """

    source: int
    target: int
    path: str
    argument: str
    value: Any
    weight: float
    regex: str = ""
    whole: bool = True
    echo: bool = False


@dataclass(frozen=True, slots=True)
class _Use:
    steps: tuple[Step, ...]
    value: Any
    key: Key
    weight: float
    name: str
    whole: bool = True


def flows(calls: Sequence[Call], *, tools: Mapping[ToolKey, Tool] | None = None, echoes: bool = False) -> list[Flow]:
    """The flows within each session, in the order of the calls given.

    Only answered tool calls take part; a flow's target must have succeeded as well. Each argument is credited to the result
    that first showed its value, and at half weight to at most two others that showed it too, the latest first.

    Args:
        calls: the calls; those of one session in their order.
        tools: definitions; values that the target's schema offers itself are then left out.
        echoes: also give, at half weight, the latest two results that passed the value on.
    """
    told = _told(tools or {})
    found: list[Flow] = []
    tool_calls = [call for call in calls if call.tool is not None]
    for _, group in groupby(sorted(tool_calls, key=lambda call: call.session), key=lambda call: call.session):
        found.extend(_Session(list(group), told, echoes).flows())
    return found


def _told(tools: Mapping[ToolKey, Tool]) -> Any:
    @cache
    def told(key: ToolKey, argument: str) -> Set[object]:
        return values_told(tools[key], argument) if key in tools else frozenset()

    return told


class _Session:
    """One session's calls, walked once; what was shown so far is looked up by value."""

    def __init__(self, calls: list[Call], told: Any, echoes: bool) -> None:
        self.calls = calls
        self.echoes = echoes
        self.uses = [list(_uses(call, told)) for call in calls]
        self.wanted = {use.key for per_call in self.uses for use in per_call}
        self.containers = any(isinstance(key, bytes) for key in self.wanted)
        self.sources: dict[Key, list[Source]] = {}
        self.passed: dict[Key, list[Source]] = {}
        self.own: set[Key] = set()

    def flows(self) -> Iterator[Flow]:
        for call, used in zip(self.calls, self.uses, strict=True):
            success = is_success(call)
            credited: set[Key] = set()
            if success:
                for use, flow in self._credit(call, used):
                    credited.add(use.key)
                    yield flow
            for use in used:
                # A date that nobody is credited with was the caller's own, wherever else it stands.
                if use.key not in self.sources or (success and family(use.key) and use.key not in credited):
                    self.own.add(use.key)
            if success and self.wanted:
                self._look(call, {use.key for use in used})

    def _look(self, call: Call, carried: set[Key]) -> None:
        for key, source in shown(call, self.wanted, containers=self.containers).items():
            if key not in carried:
                self.sources.setdefault(key, []).append(source)
            elif self.echoes and key in self.sources:
                self.passed.setdefault(key, []).append(source)

    def _credit(self, call: Call, used: Iterable[_Use]) -> Iterator[tuple[_Use, Flow]]:
        covered: list[tuple[Step, ...]] = []
        for use in used:
            if use.key in self.own or any(use.steps[: len(steps)] == steps for steps in covered):
                continue
            earlier = [
                (source, weight)
                for source in self.sources.get(use.key, ())
                if _before(source.call, call) and (weight := _weight(use, source)) >= THRESHOLD
            ]
            if not earlier:
                continue
            if isinstance(use.value, dict | list):
                covered.append(use.steps)
            chosen = [earlier[0], *reversed(earlier[1:])][:_SOURCES]
            for rank, (source, weight) in enumerate(chosen):
                flow = _flow(call, use, source, weight * (_OTHER_SOURCE_WEIGHT if rank else 1.0))
                if flow:
                    yield use, flow
            for source in list(reversed(self.passed.get(use.key, [])))[:_ECHOES]:
                weight = _weight(use, source)
                flow = _flow(call, use, source, weight * _OTHER_SOURCE_WEIGHT, echo=True)
                if flow and weight >= THRESHOLD and _before(source.call, call):
                    yield use, flow


def _weight(use: _Use, source: Source) -> float:
    """How much it tells that ``source`` showed the value: all of it from a field of the argument's name."""
    if use.name and source.place(use.name).name == use.name:
        return max(use.weight, THRESHOLD)
    return among(use.weight, source.alike) if family(use.key) else use.weight


def _flow(call: Call, use: _Use, source: Source, weight: float, *, echo: bool = False) -> Flow | None:
    place = source.place(use.name)
    regex = regex_for(source.text, place.found) if place.found is not None else ""
    if place.steps is None and not regex:
        return None
    return Flow(
        source=source.call.id,
        target=call.id,
        path="" if place.steps is None else json_path(place.steps),
        argument=json_pointer(use.steps),
        value=use.value,
        weight=round(weight, 4),
        regex=regex,
        whole=use.whole,
        echo=echo,
    )


def _before(source: Call, target: Call) -> bool:
    """Whether the source's answer was there when the target was asked; only overlapping calls need a look at the clock."""
    if not target.overlaps or not source.overlaps or source.duration_ms is None:
        return True
    return source.started_at + source.duration_ms / 1000 <= target.started_at


def _uses(call: Call, told: Any) -> Iterator[_Use]:
    """The values that a call's arguments carry and that may have come from somewhere: containers, leaves, and pieces of longer
    strings."""
    for count, (steps, value) in enumerate(walk(call.arguments)):
        if count > LIMIT:
            return
        weight = informative(value)
        if weight < _NAMED_THRESHOLD or not steps:
            continue
        key = value_key(value)
        if key is None or (isinstance(value, dict | list) and (len(value) < 2 or weight < THRESHOLD)):
            continue
        if key in told(call.key, str(steps[0])):
            continue
        name = folded(name_of(steps))
        yield _Use(steps, value, key, weight, name)
        if isinstance(value, str) and len(value) > 8 and re.search(r"[^\w.-]", value.strip()):
            seen = {key}
            for piece in _PIECE.findall(value[:4000]):
                part = piece.strip("\"'")
                part_weight = informative(part)
                part_key = value_key(part)
                if part_weight >= _COMPOSED_THRESHOLD and part_key is not None and part_key not in seen:
                    seen.add(part_key)
                    yield _Use(steps, part, part_key, part_weight * _COMPOSED_WEIGHT, name, whole=False)
