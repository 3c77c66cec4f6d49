"""Compose candidate plans backward from what was observed: an outcome, the values that led to it, the writes before it.

For each successful call the plan is the closed set of what it needs: for an argument whose value an earlier result
returned, that earlier call (and what it needs in turn); for a call whose answer depends on state, the calls of its context.
What an argument does not take from a result is a literal, which the request must state.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import Flow, flows, informative, is_success, json_path, pointer_steps, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.rejection import rejected
from firefly_mcp.tasks.model import same_value
from firefly_mcp.tasks.selection import SelectionError, select, selection_for, stateable
from firefly_mcp.tasks.slots import writable
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call

MAX_CALLS = 6
BINDING_WEIGHT = 0.25
MAX_LEAVES = 2000
_PLUMBING = re.compile(r"(?:call|request|trace|span|session|correlation|tool_message)_?id$|elapsed|duration_ms|etag|checksum")


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


def compose(calls: Sequence[Call], relation: EffectRelation, variety: Variety) -> Iterator[Candidate]:
    """The candidate plans of one session, one for each outcome that needs at least two calls.

    Args:
        calls: the session's calls in order, with results.
        relation: what may affect what.
        variety: which fields are constants; a constant is no reason to call its source.
    """
    session = _Session(calls, relation, variety)
    for call in calls:
        if call.tool is None or not is_success(call) or call.key in relation.volatile:
            continue
        candidate = session.plan_for(call)
        if candidate is not None:
            yield candidate


class _Session:
    def __init__(self, calls: Sequence[Call], relation: EffectRelation, variety: Variety) -> None:
        self.variety = variety
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
            if not is_success(call) or len(chosen) >= MAX_CALLS or not expressible(call):
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
                selection = None if source is None else selection_of(source, flow, self.variety)
                if source is not None and selection is not None and gives(source, selection, _at(call.arguments, pointer)):
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


def selection_of(source: Call, flow: Flow, variety: Variety) -> JsonObject | None:
    """A selection that takes the flow's value from its source, or None: a constant, or a place that words cannot tell."""
    if source.result is None:
        return None
    if flow.regex:
        return {"regex": flow.regex}
    view = result_view(source.result)
    for steps, _ in walk(view.value):
        if json_path(steps) == flow.path:
            return None if variety.constant(source.key, steps) else selection_for(view, steps)
    return None


class AnswerField(NamedTuple):
    """A value of an outcome that a task may ask for, how it is selected, and how telling it is."""

    steps: tuple[Step, ...]
    value: Any
    select: JsonObject
    worth: float


LOOKED_AT = 24
"""At most so many of an outcome's most telling values are described in words: describing a place in a long list is slow."""


def answer_fields(candidate: Candidate, variety: Variety, informative_at: float) -> list[AnswerField]:
    """The values of a candidate's outcome worth asking for, plain places first, the most telling first.

    Left out: what the caller knew already or an earlier call of the plan shows, constants, values that tell little, long
    texts, and places that cannot be told in words.
    """
    outcome = candidate.outcome
    assert outcome.result is not None
    view = result_view(outcome.result)
    if view.kind in ("text", "empty"):
        return []
    known = _known_values(candidate)
    found: list[tuple[float, tuple[Step, ...], Any]] = []
    for number, (steps, value) in enumerate(walk(view.value)):
        if number > MAX_LEAVES:
            break
        if isinstance(value, dict | list) or not stateable(value):
            continue
        worth = 0.0 if _is_plumbing(steps) else informative(value)
        if worth < informative_at or _text_of(value) in known or variety.constant(outcome.key, steps):
            continue
        found.append((worth * (0.5 + 0.5 * variety.share(outcome.key, steps)), steps, value))
    ranked = sorted(found, key=lambda item: (any(isinstance(step, int) for step in item[1]), -item[0], str(item[1])))
    chosen = [(steps, value, selection_for(view, steps), worth) for worth, steps, value in ranked[:LOOKED_AT]]
    return [AnswerField(steps, value, selection, worth) for steps, value, selection, worth in chosen if selection is not None]


def _is_plumbing(steps: tuple[Step, ...]) -> bool:
    """Whether a field names the call itself (a request's or trace's id) and not what the call is about."""
    return _PLUMBING.search("_".join(str(step) for step in steps[-2:]).lower()) is not None


def _known_values(candidate: Candidate) -> set[str]:
    """Every value that stands in an argument, or in a result before the outcome's."""
    shown: list[Any] = [call.arguments for call in candidate.calls]
    shown += [result_view(call.result).value for call in candidate.calls[:-1] if call.result is not None]
    return {_text_of(value) for document in shown for _, value in walk(document) if not isinstance(value, dict | list)}


def _text_of(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()


def gives(source: Call, selection: JsonObject, value: Any) -> bool:
    """Whether the selection takes this value from the source's result."""
    assert source.result is not None
    try:
        return same_value(select(source.result, selection), value)
    except SelectionError:
        return False


def _at(arguments: Any, pointer: str) -> Any:
    for step in pointer_steps(pointer):
        arguments = arguments[int(step)] if isinstance(arguments, list) else arguments[step]
    return arguments


def expressible(call: Call) -> bool:
    """Whether every literal of the call can be stated in a request."""
    leaves = [value for _, value in walk(call.arguments) if not isinstance(value, dict | list) and value is not None]
    return all(map(writable, leaves)) and all(
        writable(value) for value in call.arguments.values() if isinstance(value, dict | list)
    )
