"""Compose plans backward from what was observed: an outcome, the values that led to it, the writes before it.

For each successful call the plan is the closed set of what it needs: for an argument whose value an earlier result
returned, that earlier call (and what it needs in turn); for a call whose answer depends on state, the calls of its context.
What an argument does not take from a result is a literal, which the request must state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import Flow, flows, is_success, json_path, pointer_steps, result_text, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.rejection import rejected
from firefly_mcp.tasks.labels import path_label
from firefly_mcp.tasks.model import same_value
from firefly_mcp.tasks.selection import SelectionError, select, selection_for
from firefly_mcp.tasks.slots import writable
from firefly_mcp.tasks.texts import written_values
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call

MAX_CALLS = 6
BINDING_WEIGHT = 0.25
PAIRS = 4
"""Of plans with the same beginning so many pairs are made."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument that takes its value from an earlier call of the plan."""

    pointer: str
    source: int
    select: JsonObject


@dataclass(frozen=True)
class Candidate:
    """A plan over recorded calls, in the order in which it makes them.

    Attributes:
        calls: the calls, without their results.
        bounds: by call id, the arguments that take their values from earlier calls.
        asked: ids of the calls whose results the answer is taken from.
        writes: servers on which a call of the plan changes something.
        changes: ids of the calls that do.
    """

    calls: tuple[Call, ...]
    bounds: dict[int, tuple[Bound, ...]] = field(default_factory=dict)
    asked: tuple[int, ...] = ()
    writes: frozenset[str] = frozenset()
    changes: frozenset[int] = frozenset()

    @property
    def outcome(self) -> Call:
        """The last call."""
        return self.calls[-1]

    @property
    def servers(self) -> frozenset[str]:
        """The servers that the plan calls."""
        return frozenset(call.server for call in self.calls)


def joined(parts: Sequence[Candidate]) -> Candidate | None:
    """One plan of several; calls that two of them share are made once. None when one part may disturb another.

    Parts disturb each other when they use the same server and one of them changes something there; not so where both are of
    one session and make the same changes, for then the calls of both keep their recorded order.
    """
    calls: dict[int, Call] = {}
    bounds: dict[int, tuple[Bound, ...]] = {}
    asked: dict[int, None] = {}
    for place, part in enumerate(parts):
        for other in parts[:place]:
            touched = (part.servers & other.servers) & (part.writes | other.writes)
            if touched and not _same_changes(part, other):
                return None
        calls.update({call.id: call for call in part.calls if call.id not in calls})
        for call_id, own in part.bounds.items():
            if call_id in bounds and bounds[call_id] != own:
                return None
            bounds[call_id] = own
        asked.update(dict.fromkeys(part.asked))
    if len({(call.key, call.args_hash) for call in calls.values()}) < len(calls):
        return None
    ordered = list(calls.values())
    if any(part.changes for part in parts) and len({call.session for call in ordered}) == 1:
        ordered.sort(key=lambda call: call.id)
    changes = frozenset(call_id for part in parts for call_id in part.changes)
    return Candidate(tuple(ordered), bounds, tuple(asked), frozenset().union(*(part.writes for part in parts)), changes)


def _same_changes(one: Candidate, other: Candidate) -> bool:
    return one.changes == other.changes and len({call.session for call in (*one.calls, *other.calls)}) == 1


def pairs(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Plans joined two by two where they share what goes before: one source for two calls, or one change and two reads."""
    groups: dict[tuple[int, ...], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if len(candidate.calls) > 1:
            groups[tuple(sorted(candidate.changes)) or (candidate.calls[0].id,)].append(candidate)
    for group in groups.values():
        for one, other in pairwise(group[: PAIRS + 1]):
            both = joined([one, other]) if one.outcome.key != other.outcome.key else None
            if both is not None and len(both.calls) <= MAX_CALLS and len(both.calls) < len(one.calls) + len(other.calls):
                yield both


def compose(
    calls: Sequence[Call],
    relation: EffectRelation,
    variety: Variety,
    changed: Callable[[Call], bool] = lambda call: False,
) -> Iterator[Candidate]:
    """The plans of one session: for each outcome the least set of calls that leads to it.

    A call that depends on no earlier one but for its arguments' values is a plan of its own as well.

    Args:
        calls: the session's calls in order, with results.
        relation: what may affect what.
        variety: which fields are constants; a constant is no reason to call its source.
        changed: whether a call is known to answer otherwise where nothing was changed before.
    """
    session = _Session(calls, relation, variety, changed)
    for call in session.calls:
        if is_success(call) and call.key not in relation.volatile:
            candidate = session.plan_for(call)
            if candidate is not None:
                yield candidate
                if len(candidate.calls) > 1 and session.free(call):
                    yield Candidate(candidate.calls[-1:], {call.id: ()}, (call.id,))


class _Session:
    def __init__(
        self, calls: Sequence[Call], relation: EffectRelation, variety: Variety, changed: Callable[[Call], bool]
    ) -> None:
        self.variety = variety
        self.changed = changed
        self.calls = [call for call in calls if call.tool is not None]
        self.relation = relation
        self.by_id = {call.id: call for call in self.calls}
        self.writers: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if relation.writes(call.key) and not (call.is_error and rejected(call.result, call.error)):
                self.writers[call.server].append(call)
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
            context = self._context(call)
            if context is None:
                return None
            chosen[call.id] = call
            bounds[call.id] = tuple(self._bounds(call))
            waiting += [self.by_id[bound.source] for bound in bounds[call.id]]
            waiting += context
        ordered = tuple(chosen[call_id] for call_id in sorted(chosen))
        if ordered[-1] is not outcome:
            return None
        changing = [call for call in ordered if self.relation.writes(call.key)]
        return Candidate(
            tuple(replace(call, result=None) for call in ordered),
            bounds,
            self._asked(ordered, bounds),
            writes=frozenset(call.server for call in changing),
            changes=frozenset(call.id for call in changing),
        )

    def free(self, call: Call) -> bool:
        """Whether the call changes nothing and nothing before it may have changed its answer."""
        return not self.relation.writes(call.key) and not self._context(call)

    def _asked(self, ordered: Sequence[Call], bounds: dict[int, tuple[Bound, ...]]) -> tuple[int, ...]:
        """The outcome, and every call before it of which nothing else shows that it is needed."""
        used = {bound.source for own in bounds.values() for bound in own}
        writers = [call for call in ordered[:-1] if call.server == ordered[-1].server and self.relation.writes(call.key)]
        # Of the only change before a read that answers otherwise without it, nothing more needs to be shown.
        only = writers[0].id if len(writers) == 1 and self.changed(ordered[-1]) else None
        asked = []
        for place, call in enumerate(ordered[:-1]):
            later = [other for other in ordered[place + 1 :] if other.server == call.server]
            evident = any(_evident(self.relation, call, other) for other in later)
            if call.id not in used and not evident and call.id != only:
                asked.append(call.id)
        return (*asked, ordered[-1].id)

    def _bounds(self, call: Call) -> Iterator[Bound]:
        """For each argument that an earlier result fed, the best of its sources that can be told apart in words."""
        by_pointer: dict[str, list[Flow]] = defaultdict(list)
        for flow in self.flows[call.id]:
            by_pointer[flow.argument].append(flow)
        for pointer, found in by_pointer.items():
            value = argument_at(call.arguments, pointer)
            for flow in sorted(found, key=lambda item: (-item.weight, -item.source)):
                source = self.by_id.get(flow.source)
                selection = None if source is None else selection_of(source, flow, value, self.variety)
                if source is not None and selection is not None:
                    yield Bound(pointer, source.id, selection)
                    break

    def _context(self, call: Call) -> list[Call] | None:
        """The calls that its answer, or for a writer what it leaves, may depend on directly; None when they are too many."""
        writes = self.relation.writes(call.key)
        found = []
        for other in self.writers[call.server]:
            if other.id >= call.id:
                break
            if self.relation.may_affect(other.key, call.key) or (writes and self.relation.in_order(other.key, call.key)):
                found.append(other)
                if len(found) >= MAX_CALLS:
                    return None
        return found


def _evident(relation: EffectRelation, writer: Call, reader: Call) -> bool:
    effect = relation.effect(writer.key, reader.key)
    return effect.affects and effect.evident


def selection_of(source: Call, flow: Flow, value: Any, variety: Variety) -> JsonObject | None:
    """A selection that takes an argument's value from a result, or None: a constant, or a place that words cannot tell."""
    if source.result is None:
        return None
    if flow.regex:
        return text_selection(source.result, flow.regex, flow.argument, value)
    view = result_view(source.result)
    for steps, _ in walk(view.value):
        if json_path(steps) == flow.path:
            return None if variety.constant(source.key, steps) else data_selection(source.result, steps, value)
    return None


def data_selection(result: JsonObject, steps: tuple[Step, ...], value: Any) -> JsonObject | None:
    """A selection of the value at ``steps``, read as the text or number that ``value`` is."""
    selection = selection_for(result_view(result), steps)
    return None if selection is None else _fitting(result, selection, value)


def text_selection(result: JsonObject, regex: str, pointer: str, value: Any) -> JsonObject | None:
    """A selection of a value in prose: where the text names it, by that name, else by the argument that it fills."""
    for item in written_values(result_text(result)):
        fitting = _fitting(result, item.select, value)
        if fitting is not None:
            return fitting
    names = [step for step in pointer_steps(pointer) if not step.isdigit()]
    return _fitting(result, {"regex": regex, "label": path_label(names)}, value) if regex else None


def _fitting(result: JsonObject, selection: JsonObject, value: Any) -> JsonObject | None:
    plain = {key: item for key, item in selection.items() if key != "as"}
    for form in ({}, {"as": "text"} if isinstance(value, str) else {"as": "number"}):
        try:
            if same_value(select(result, {**plain, **form}), value):
                return {**plain, **form}
        except SelectionError:
            continue
    return None


def argument_at(arguments: Any, pointer: str) -> Any:
    """The value at a JSON pointer of a call's arguments."""
    for step in pointer_steps(pointer):
        arguments = arguments[int(step)] if isinstance(arguments, list) else arguments[step]
    return arguments


def expressible(call: Call) -> bool:
    """Whether every literal of the call can be stated in a request."""
    leaves = [value for _, value in walk(call.arguments) if not isinstance(value, dict | list) and value is not None]
    if any(isinstance(value, str) and "[redacted:" in value for value in leaves):
        return False  # what was masked cannot be told to anyone
    return all(map(writable, leaves)) and all(
        writable(value) for value in call.arguments.values() if isinstance(value, dict | list)
    )
