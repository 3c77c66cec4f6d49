"""Compose candidate plans backward from what was observed: an outcome, the values that led to it, the writes before it.

For each successful call the plan is the closed set of what it needs: for an argument whose value an earlier result
returned, that earlier call (and what it needs in turn); for a call whose answer depends on state, the calls of its context.
What an argument does not take from a result is a literal, which the request must state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import Flow, flows, is_success, json_path, leaves, pointer_steps, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.rejection import rejected
from firefly_mcp.tasks.model import same_value
from firefly_mcp.tasks.selection import SelectionError, select, selection_for, stateable
from firefly_mcp.types import Call

MAX_CALLS = 6
BINDING_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument that takes its value from an earlier call of the plan."""

    pointer: str
    source: int
    select: JsonObject


@dataclass(frozen=True)
class Candidate:
    """A plan over recorded calls: the last one is the outcome."""

    session: int
    calls: tuple[Call, ...]
    bounds: dict[int, tuple[Bound, ...]] = field(default_factory=dict)

    @property
    def outcome(self) -> Call:
        """The call whose result the answer is taken from."""
        return self.calls[-1]


def compose(calls: Sequence[Call], relation: EffectRelation) -> Iterator[Candidate]:
    """The candidate plans of one session, one for each outcome that needs at least two calls.

    Args:
        calls: the session's calls in order, with results.
        relation: what may affect what.
    """
    session = _Session(calls, relation)
    for call in calls:
        if call.tool is None or not is_success(call) or call.key in relation.volatile:
            continue
        candidate = session.plan_for(call)
        if candidate is not None:
            yield candidate


class _Session:
    def __init__(self, calls: Sequence[Call], relation: EffectRelation) -> None:
        self.calls = [call for call in calls if call.tool is not None]
        self.relation = relation
        self.by_id = {call.id: call for call in self.calls}
        self.flows: dict[int, list[Flow]] = defaultdict(list)
        for flow in flows(self.calls):
            if flow.whole and flow.weight >= BINDING_WEIGHT:
                self.flows[flow.target].append(flow)

    def plan_for(self, outcome: Call) -> Candidate | None:
        chosen: dict[int, Call] = {}
        bounds: dict[int, tuple[Bound, ...]] = {}
        waiting = [outcome]
        while waiting:
            call = waiting.pop()
            if call.id in chosen:
                continue
            if not is_success(call) or len(chosen) >= MAX_CALLS or not _expressible(call):
                return None
            chosen[call.id] = call
            bounds[call.id] = tuple(self._bounds(call))
            waiting += [self.by_id[bound.source] for bound in bounds[call.id]]
            waiting += self._context(call)
        if len(chosen) < 2:
            return None
        ordered = tuple(chosen[call_id] for call_id in sorted(chosen))
        return Candidate(outcome.session, ordered, bounds) if ordered[-1] is outcome else None

    def _bounds(self, call: Call) -> Iterator[Bound]:
        """For each argument that an earlier result fed, the best of its sources that can be told apart in words."""
        by_pointer: dict[str, list[Flow]] = defaultdict(list)
        for flow in self.flows[call.id]:
            by_pointer[flow.argument].append(flow)
        for pointer, found in by_pointer.items():
            for flow in sorted(found, key=lambda item: (-item.weight, -item.source)):
                source = self.by_id.get(flow.source)
                selection = None if source is None else selection_of(source, flow)
                if source is not None and selection is not None and _gives(source, selection, _at(call.arguments, pointer)):
                    yield Bound(pointer, source.id, selection)
                    break

    def _context(self, call: Call) -> list[Call]:
        if not self.relation.reads_state(call.key):
            return []
        earlier = (other for other in self.calls if other.server == call.server and other.id < call.id)
        return [
            other
            for other in earlier
            if self.relation.may_affect(other.key, call.key) and not (other.is_error and rejected(other.result, other.error))
        ]


def selection_of(source: Call, flow: Flow) -> JsonObject | None:
    """A selection that takes the flow's value from its source."""
    if source.result is None:
        return None
    if flow.regex:
        return {"regex": flow.regex}
    view = result_view(source.result)
    for steps, _ in walk(view.value):
        if json_path(steps) == flow.path:
            return selection_for(view, steps)
    return None


def answer_fields(
    call: Call, known: Sequence[Any], informative_at: float
) -> list[tuple[str, tuple[Step, ...], Any, JsonObject]]:
    """The values of an outcome worth asking for: ``(name, steps, value, selection)``, in the order of the result.

    Left out: what the caller knew already, values that tell little, long texts, and places that cannot be told in words.
    """
    from firefly_mcp.observe import informative

    assert call.result is not None
    view = result_view(call.result)
    if view.kind in ("text", "empty"):
        return []
    told = [value for value in known if not isinstance(value, dict | list)]
    found = []
    paths = {leaf.path for leaf in leaves(view.value, limit=400)}
    for steps, value in walk(view.value):
        if isinstance(value, dict | list) or json_path(steps) not in paths or not stateable(value):
            continue
        if informative(value) < informative_at or any(same_value(value, other) for other in told):
            continue
        selection = selection_for(view, steps)
        if selection is not None:
            found.append((json_path(steps), steps, value, selection))
    return found


def _gives(source: Call, selection: JsonObject, value: Any) -> bool:
    assert source.result is not None
    try:
        return same_value(select(source.result, selection), value)
    except SelectionError:
        return False


def _at(arguments: Any, pointer: str) -> Any:
    for step in pointer_steps(pointer):
        arguments = arguments[int(step)] if isinstance(arguments, list) else arguments[step]
    return arguments


def _expressible(call: Call) -> bool:
    """Whether every literal of the call can be stated in a request."""
    return all(isinstance(value, dict | list) or value is None or stateable(value) for _, value in walk(call.arguments))
