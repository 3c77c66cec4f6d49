"""Calls beside a plan: one argument of one call changed to another plausible value, as a solver that goes astray would.

Plausible is what the argument was given with success elsewhere, another member of its enum, the other of yes and no, or, where
it is bound, another value of the same place of the same result (a sibling's id).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import is_success, json_path, json_pointer, pointer_steps, result_view, walk
from firefly_mcp.replay import Replay, ReplayPolicy
from firefly_mcp.schemas import properties, resolve, single
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import Binding, Task, same_value
from firefly_mcp.types import Call, Tool, ToolKey, params_of

_VALUES = 60
_SIBLINGS = 40


@dataclass(frozen=True)
class Neighbour:
    """A call that a plan does not make: ``node`` of ``task`` with one argument, at ``pointer``, of another value."""

    task: str
    node: str
    tool: ToolKey
    pointer: str
    arguments: JsonObject = field(hash=False)


class Values:
    """What each argument was given in calls that succeeded."""

    def __init__(self, calls: Iterable[Call]) -> None:
        """Read them out of calls with results; at most sixty for each argument."""
        self._given: dict[tuple[ToolKey, str], list[Any]] = defaultdict(list)
        for call in calls:
            if not is_success(call):
                continue
            for steps, value in walk(call.arguments):
                if steps and not isinstance(value, dict | list) and value is not None:
                    known = self._given[call.key, _general(steps)]
                    if len(known) < _VALUES and value not in known:
                        known.append(value)

    def others(self, task: Task, node: str, seen: Observed, pointer: str) -> list[Any]:
        """Other values that an argument of a plan's node might be given."""
        step, plan = seen.steps[node], task.node(node)
        tool = seen.tools[plan.key]
        own = _at(step.arguments, pointer)
        found = [*self._given.get((plan.key, _general(pointer_steps(pointer))), ()), *_allowed(tool, pointer)]
        if isinstance(own, bool):
            found.append(not own)
        for binding in plan.bindings:
            if binding.argument == pointer:
                found += _siblings(seen.result(binding.source), own)
        kept: list[Any] = []
        for value in found:
            alike = isinstance(value, bool) == isinstance(own, bool) and isinstance(value, str) == isinstance(own, str)
            if alike and not same_value(value, own) and value not in kept:
                kept.append(value)
        return kept


def neighbours(task: Task, seen: Observed, values: Values, rng: Random, *, per_argument: int = 1) -> list[Neighbour]:
    """Neighbours of every argument of every call of a plan, each argument by itself.

    Args:
        task: a task whose plan was followed.
        seen: what it observed.
        values: what else the arguments might be given.
        rng: which of them are chosen.
        per_argument: so many of each argument at most.
    """
    found = []
    for node in task.plan:
        arguments = seen.steps[node.id].arguments
        for steps, value in walk(arguments):
            if not steps or isinstance(value, dict | list) or value is None:
                continue
            pointer = json_pointer(steps)
            others = values.others(task, node.id, seen, pointer)
            for other in rng.sample(others, min(per_argument, len(others))):
                changed = bind(arguments, [(Binding(argument=pointer, source=node.id, select={}), other)])
                found.append(Neighbour(task.id, node.id, node.key, pointer, changed))
    return found


@dataclass
class OffPlan:
    """How often replay has no answer for a call beside a plan; ``causes`` are those of the misses."""

    drawn: int = 0
    missed: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """The share that missed."""
        return self.missed / self.drawn if self.drawn else 0.0

    def to_json(self) -> JsonObject:
        """The figures."""
        return {
            "off_plan_calls": self.drawn,
            "off_plan_missed": self.missed,
            "off_plan_miss_rate": round(self.rate, 4),
            "off_plan_causes": dict(self.causes.most_common()),
        }


def off_plan(tasks: Sequence[Task], recording: Recording, *, seed: int, strict: Replay, policy: ReplayPolicy) -> OffPlan:
    """Draw one neighbour of each plan, ask replay for it in the plan's state, and count the misses.

    The draw is made by a seed of its own, from the same values as the neighbours that were recorded: it says how often a call
    beside a plan, whichever it is, finds no answer.

    Args:
        tasks: the tasks.
        recording: what replay answers from.
        seed: of the draw; another than that of the neighbours that were recorded.
        strict: the proving replay, which the plans are followed by.
        policy: what the replay in question may do.
    """
    values = Values(queries.calls(recording, method="tools/call", evidence_only=True))
    replay = Replay(recording, policy, strict.index)
    found = OffPlan()
    for task in tasks:
        try:
            seen = observe(task, strict)
        except PlanBrokenError:
            continue
        rng = Random(f"{seed}/off-plan/{task.id}")
        drawn = neighbours(task, seen, values, rng)
        if not drawn:
            continue
        chosen = rng.choice(drawn)
        session = replay.session()
        for node in task.plan:
            if node.id == chosen.node:
                break
            session.answer(node.server, "tools/call", params_of(node.tool, seen.steps[node.id].arguments))
        answer = session.answer(chosen.tool.server, "tools/call", params_of(chosen.tool.tool, chosen.arguments))
        found.drawn += 1
        if answer.miss is not None:
            found.missed += 1
            found.causes[answer.miss.cause] += 1
    return found


def _general(steps: Sequence[Any]) -> str:
    return "/".join("0" if str(step).isdigit() else str(step) for step in steps)


def _at(arguments: Any, pointer: str) -> Any:
    for step in pointer_steps(pointer):
        arguments = arguments[int(step)] if isinstance(arguments, list) else arguments[step]
    return arguments


def _allowed(tool: Tool, pointer: str) -> list[Any]:
    """The members of an argument's enum."""
    own: JsonObject = tool.input_schema
    for step in pointer_steps(pointer):
        if step.isdigit():
            items = single(own, tool.input_schema).get("items")
            own = items if isinstance(items, dict) else {}
        else:
            own = properties(own, tool.input_schema).get(step, {})
    found = resolve(own, tool.input_schema).get("enum")
    return [value for value in found if value is not None] if isinstance(found, list) else []


def _siblings(result: JsonObject, value: Any) -> list[Any]:
    """The values that stand in a result at the same place of other items."""
    groups: dict[str, list[Any]] = defaultdict(list)
    home = ""
    for steps, item in walk(result_view(result).value):
        if isinstance(item, dict | list) or item is None:
            continue
        group = json_path(tuple("*" if isinstance(step, int) else step for step in steps))
        if len(groups[group]) < _SIBLINGS:
            groups[group].append(item)
        if not home and same_value(item, value):
            home = group
    return groups[home] if home else []
