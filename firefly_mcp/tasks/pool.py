"""Compose plans across sessions: recorded calls whose answers depend on nothing but their arguments, joined by real values.

Only calls take part whose state agrees by itself: they change nothing, and nothing that may affect them came before them in
their session. Any of them can then follow any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import informative, json_pointer, result_text, result_view, value_key, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.observe.values import Key
from firefly_mcp.tasks.compose import Bound, Candidate, data_selection, text_selection
from firefly_mcp.tasks.texts import written_values
from firefly_mcp.tasks.variety import LEAVES, Variety
from firefly_mcp.types import Call, ToolKey

JOIN_WEIGHT = 0.4
PER_JOIN = 6
PER_TOOL = 150
PER_VALUE = 12
SOURCES = 2
DEEPEST = 4


@dataclass(frozen=True, slots=True)
class _Shown:
    call: Call
    steps: tuple[Step, ...] | None
    """Where in the data; None for prose."""


class Pool:
    """The calls of a recording that can be combined freely, and where each value that one of them takes was shown."""

    def __init__(self, variety: Variety, load: Callable[[str], JsonObject], *, per_join: int = PER_JOIN) -> None:
        """``load`` gives a result by its hash; ``per_join`` plans at most join the same two tools at the same argument."""
        self._variety = variety
        self._load = load
        self._per_join = per_join
        self._calls: list[Call] = []
        self._known: set[tuple[ToolKey, str]] = set()
        self._of_tool: Counter[ToolKey] = Counter()
        self._wanted: set[Key] = set()
        self._shown: dict[Key, list[_Shown]] = defaultdict(list)
        self._joins: Counter[tuple[ToolKey, ToolKey, str]] = Counter()

    def __len__(self) -> int:
        """How many calls take part."""
        return len(self._calls)

    def add(self, candidate: Candidate) -> bool:
        """Take in a plan of one call; False when the call is here already, or its tool has given enough.

        One that may change something can be a part of a plan, and no more than that: it is not joined by its values.
        """
        call = candidate.outcome
        if (call.key, call.args_hash) in self._known or self._of_tool[call.key] >= PER_TOOL:
            return False
        self._known.add((call.key, call.args_hash))
        self._of_tool[call.key] += 1
        if not candidate.writes:
            self._calls.append(call)
            self._wanted.update(key for _, key in _taken(call))
        return True

    def candidates(self) -> Iterator[Candidate]:
        """Plans of two to four calls, in an order that depends only on the calls."""
        ordered = sorted(self._calls, key=lambda call: hash_bytes(f"{call.key}{call.args_hash}".encode()))
        for call in ordered:
            self._index(call)
        for target in ordered:
            found = list(self._sources(target, (target,)))
            for number, (bound, source) in enumerate(found):
                join = (source.key, target.key, bound.pointer)
                if self._joins[join] >= self._per_join:
                    continue
                self._joins[join] += 1
                yield self._chain(target, bound, source, longer=(self._joins[join] + number) % 2 == 0)
            yield from self._fan_in(target, found)

    def _chain(self, target: Call, bound: Bound, source: Call, *, longer: bool) -> Candidate:
        calls, bounds = [target, source], {target.id: (bound,), source.id: ()}
        while longer and len(calls) < DEEPEST:
            earlier = next(self._sources(calls[-1], calls), None)
            if earlier is None:
                break
            first, before = earlier
            bounds[calls[-1].id] = (first,)
            bounds[before.id] = ()
            calls.append(before)
        return Candidate(tuple(reversed(calls)), bounds, (target.id,))

    def _fan_in(self, target: Call, found: list[tuple[Bound, Call]]) -> Iterator[Candidate]:
        """Two arguments of the target from two calls."""
        for place, (one, first) in enumerate(found):
            for other, second in found[place + 1 :]:
                if (
                    other.pointer == one.pointer
                    or first is second
                    or (first.key, first.args_hash) == (second.key, second.args_hash)
                ):
                    continue
                join = (first.key, target.key, f"{one.pointer} {other.pointer}")
                if self._joins[join] < self._per_join:
                    self._joins[join] += 1
                    yield Candidate(
                        (first, second, target), {first.id: (), second.id: (), target.id: (one, other)}, (target.id,)
                    )
                return

    def _index(self, call: Call) -> None:
        result = self._load(call.result_hash or "")
        view = result_view(result)
        own = {value_key(value) for _, value in walk(call.arguments) if not isinstance(value, dict | list)}
        if view.kind == "text":
            shown: list[tuple[tuple[Step, ...] | None, object]] = [
                (None, item.value) for item in written_values(str(view.value))
            ]
        else:
            shown = [
                (steps, value)
                for number, (steps, value) in zip(range(LEAVES), walk(view.value), strict=False)
                if not isinstance(value, dict | list)
            ]
        for steps, value in shown:
            key = value_key(value)
            if key is None or key not in self._wanted or key in own or informative(value) < JOIN_WEIGHT:
                continue
            if steps is not None and self._variety.constant(call.key, steps):
                continue
            places = self._shown[key]
            if len(places) < PER_VALUE and sum(place.call.key == call.key for place in places) < SOURCES:
                places.append(_Shown(call, steps))

    def _sources(self, target: Call, taken: tuple[Call, ...] | list[Call]) -> Iterator[tuple[Bound, Call]]:
        """For each argument of the target, the calls that show its value: other tools' before its own."""
        used = {(call.key, call.args_hash) for call in taken}
        for (steps, value), key in _taken(target):
            shown = [item for item in self._shown.get(key, ()) if (item.call.key, item.call.args_hash) not in used]
            found = 0
            for item in sorted(shown, key=lambda item: _order(item.call, item.steps, target)):
                selection = self._selection(item, json_pointer(steps), value)
                if selection is not None:
                    yield Bound(json_pointer(steps), item.call.id, selection), item.call
                    found += 1
                    if found >= SOURCES:
                        break

    def _selection(self, item: _Shown, pointer: str, value: object) -> JsonObject | None:
        result = self._load(item.call.result_hash or "")
        if item.steps is None:
            return text_selection(result, "", pointer, value) if result_text(result) else None
        return data_selection(result, item.steps, value)


def _taken(call: Call) -> Iterator[tuple[tuple[tuple[Step, ...], object], Key]]:
    """The arguments of a call that tell enough to be looked for elsewhere."""
    for steps, value in walk(call.arguments):
        if not isinstance(value, dict | list) and informative(value) >= JOIN_WEIGHT:
            key = value_key(value)
            if key is not None:
                yield (steps, value), key


def _order(source: Call, steps: tuple[Step, ...] | None, target: Call) -> tuple[bool, bool, str]:
    """Other tools first, then other servers, then by a hash that spreads the choice."""
    spread = hash_bytes(f"{source.key}{source.args_hash}{target.args_hash}{steps}".encode())
    return source.key == target.key, source.server == target.server, spread
