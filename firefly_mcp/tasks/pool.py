"""Compose plans across sessions: recorded calls whose answers depend on nothing but their arguments, joined by real values.

Only calls take part whose state agrees by itself: they change nothing, and nothing that may affect them came before them in
their session. Any of them can then follow any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.observe import informative, is_success, json_pointer, result_view, value_key, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.observe.values import Key
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.tasks.compose import Bound, Candidate, expressible, gives
from firefly_mcp.tasks.selection import selection_for
from firefly_mcp.tasks.variety import LEAVES, Variety
from firefly_mcp.types import Call, ToolKey

JOIN_WEIGHT = 0.4
PER_JOIN = 4
SOURCES = 2


@dataclass(frozen=True, slots=True)
class _Shown:
    call: Call
    steps: tuple[Step, ...]


class Pool:
    """The calls of a recording that can be combined freely, and where each value was shown."""

    def __init__(self, relation: EffectRelation, variety: Variety, is_proven: Callable[[int, str], bool]) -> None:
        """``is_proven`` tells of ``(session, server)`` whether its beginning is proven."""
        self._relation = relation
        self._variety = variety
        self._is_proven = is_proven
        self._calls: dict[tuple[ToolKey, str], Call] = {}
        self._shown: dict[Key, list[_Shown]] = defaultdict(list)
        self._joins: Counter[tuple[ToolKey, ToolKey, str]] = Counter()

    def add_session(self, calls: Iterable[Call]) -> None:
        """Take in the free calls of one session, given in order."""
        writers: set[ToolKey] = set()
        for call in calls:
            if call.tool is None:
                continue
            touched = any(self._relation.may_affect(writer, call.key) for writer in writers)
            if self._relation.writes(call.key):
                writers.add(call.key)
            elif not touched and self._usable(call) and (call.key, call.args_hash) not in self._calls:
                self._calls[(call.key, call.args_hash)] = call
                self._index(call)

    def _usable(self, call: Call) -> bool:
        return (
            is_success(call)
            and call.key not in self._relation.volatile
            and self._is_proven(call.session, call.server)
            and expressible(call)
        )

    def _index(self, call: Call) -> None:
        assert call.result is not None
        view = result_view(call.result)
        if view.kind not in ("structured", "json"):
            return
        own = {value_key(value) for _, value in walk(call.arguments) if not isinstance(value, dict | list)}
        for number, (steps, value) in enumerate(walk(view.value)):
            if number >= LEAVES:
                return
            if isinstance(value, dict | list) or informative(value) < JOIN_WEIGHT:
                continue
            key = value_key(value)
            if key is not None and key not in own and not self._variety.constant(call.key, steps):
                self._shown[key].append(_Shown(call, steps))

    def candidates(self) -> Iterator[Candidate]:
        """Plans of two or three calls, in an order that depends only on the calls."""
        ordered = sorted(self._calls.values(), key=lambda call: hash_bytes(f"{call.key}{call.args_hash}".encode()))
        for target in ordered:
            for bound, source in self._sources(target, (target,)):
                join = (source.key, target.key, bound.pointer)
                if self._joins[join] >= PER_JOIN:
                    continue
                self._joins[join] += 1
                earlier = next(self._sources(source, (target, source)), None)
                if earlier is not None and self._joins[join] % 2 == 0:
                    first, before = earlier
                    bounds = {before.id: (), source.id: (first,), target.id: (bound,)}
                    yield Candidate(target.session, (before, source, target), bounds)
                else:
                    yield Candidate(target.session, (source, target), {source.id: (), target.id: (bound,)})

    def _sources(self, target: Call, taken: tuple[Call, ...]) -> Iterator[tuple[Bound, Call]]:
        """For each argument of the target, the calls that show its value: other tools' before its own."""
        for steps, value in walk(target.arguments):
            if isinstance(value, dict | list) or informative(value) < JOIN_WEIGHT:
                continue
            key = value_key(value)
            shown = [] if key is None else [item for item in self._shown.get(key, ()) if item.call not in taken]
            found = 0
            for item in sorted(shown, key=lambda item: _order(item.call, item.steps, target)):
                assert item.call.result is not None
                selection = selection_for(result_view(item.call.result), item.steps)
                if selection is not None and gives(item.call, selection, value):
                    yield Bound(json_pointer(steps), item.call.id, selection), item.call
                    found += 1
                    if found >= SOURCES:
                        break


def _order(source: Call, steps: tuple[Step, ...], target: Call) -> tuple[bool, bool, str]:
    """Other tools first, then other servers, then by a hash that spreads the choice."""
    spread = hash_bytes(f"{source.key}{source.args_hash}{target.args_hash}{steps}".encode())
    return source.key == target.key, source.server == target.server, spread
