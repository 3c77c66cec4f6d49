"""The necessity gate: without any one call the answer cannot be had.

A call is necessary when a later call needs a value that only it returned, or when it was observed that the answer is
another without it. That replay would miss without it is no evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import told_error
from firefly_mcp.store import queries
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.model import PlanNode, Task, Verdict, same_value
from firefly_mcp.tasks.selection import SelectionError, select

_INERT = "nothing that is asked depends on it"


def necessity_gate(task: Task, seen: Observed) -> Verdict:
    """Every call of the plan is needed for the answer."""
    reasons = []
    effects = _Effects(task, seen)
    for node in task.plan:
        lost = effects.lost(node)
        rest = [other.id for other in task.plan if other.id not in lost]
        if not lost & _answering(task):
            why = "the answer was observed to be the same without it" if effects.none(node) else _INERT
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: {why}")
        if all(_known(task, seen, rest, value) for value in task.answer.values()):
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: the answer is known without it")
        hidden = [value for value in _given(task, seen, node.id) if not _known(task, seen, rest, value)]
        if node.id in _answering(task):
            reasons.append(f"{node.id} gives the answer")
        elif hidden:
            reasons.append(f"{node.id} alone gives {str(hidden[0])[:40]!r}")
        elif effects.of(node):
            reasons.append(f"{node.id} {next(iter(effects.of(node).values()))}")
        else:
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: no value or observation shows that it is needed")
    return Verdict(gate="necessity", passed=True, reason="; ".join(reasons))


class _Effects:
    """Which calls of a plan are known to answer otherwise without which earlier ones.

    What was recorded without the earlier call counts first, value by value. Where nothing was, an observed (or declared) effect
    of its tool on the tool of the later call does.
    """

    def __init__(self, task: Task, seen: Observed) -> None:
        self._task, self._seen = task, seen
        self._used = _used(task)
        self._found: dict[str, dict[str, str]] = {}
        self._equal: set[str] = set()

    def of(self, writer: PlanNode) -> dict[str, str]:
        """The later nodes that answer otherwise without this one, and how that is known."""
        known = self._found.get(writer.id)
        if known is None:
            known = self._found[writer.id] = self._look(writer)
        return known

    def none(self, writer: PlanNode) -> bool:
        """Whether it was recorded that every later answer it might affect is the same without it."""
        return not self.of(writer) and writer.id in self._equal

    def lost(self, node: PlanNode) -> set[str]:
        """The nodes that cannot be called, or answer otherwise, without this one: itself, and what goes by a lost one."""
        lost = {node.id}
        for other in self._task.plan:
            if other.id in lost or any(binding.source in lost for binding in other.bindings):
                lost.add(other.id)
                lost.update(self.of(other))
        return lost

    def _look(self, writer: PlanNode) -> dict[str, str]:
        relation = self._seen.replay.index.relation
        found = {}
        for node in _later(self._task, writer):
            if not relation.may_affect(writer.key, node.key):
                continue
            differing, equal = _recorded_without(self._task, self._seen, writer, node, self._used.get(node.id, []))
            if differing:
                found[node.id] = "was observed to change what is answered"
            elif equal:
                self._equal.add(writer.id)
            elif node.id in self._used:
                source = relation.effect(writer.key, node.key).source
                if source in ("observed", "declared"):
                    found[node.id] = f"was {source} to change what {node.tool} answers"
        return found


def _used(task: Task) -> dict[str, list[JsonObject]]:
    """By node, the selections that the plan or the answer takes from its result."""
    used: dict[str, list[JsonObject]] = defaultdict(list)
    for node in task.plan:
        for binding in node.bindings:
            used[binding.source].append(binding.select)
    for proof in task.evidence.values():
        used[proof.node].append(proof.select)
    return used


def _answering(task: Task) -> set[str]:
    return {proof.node for proof in task.evidence.values()}


def _given(task: Task, seen: Observed, node_id: str) -> list[Any]:
    """The values that later nodes take from this one."""
    steps = seen.steps
    return [steps[n.id].bound[b.argument] for n in task.plan for b in n.bindings if b.source == node_id]


def _known(task: Task, seen: Observed, rest: list[str], value: Any) -> bool:
    """Whether a value stands in the request or in one of the remaining results."""
    return tells(task.request, value) or any(seen.shows(node, value) for node in rest)


def _later(task: Task, writer: PlanNode) -> list[PlanNode]:
    return task.plan[[node.id for node in task.plan].index(writer.id) + 1 :]


def _recorded_without(
    task: Task, seen: Observed, writer: PlanNode, reader: PlanNode, used: list[JsonObject]
) -> tuple[bool, bool]:
    """Whether the reader's call was recorded without the writer's and gave another value of those that are used of it; and
    whether it gave the same ones all the same. Of a call whose result is not used, its success is what counts.
    """
    own = _values(seen.result(reader.id), used)
    equal = False
    for result, alone in _answers_without(task, seen, writer, reader):
        if same_value(_values(result, used), own):
            equal = True
        elif alone:
            return True, False
    return False, equal


def _values(result: JsonObject, used: list[JsonObject]) -> list[Any]:
    values: list[Any] = [told_error(result)]
    for selection in used:
        try:
            values.append(select(result, selection))
        except SelectionError as error:
            values.append({"error": str(error)})
    return values


def _answers_without(task: Task, seen: Observed, writer: PlanNode, reader: PlanNode) -> Iterator[tuple[JsonObject, bool]]:
    """What the reader's call gave in recorded sessions in which the writer's had not been made and nothing beyond the plan's,
    and whether the writer's alone was lacking. Where others lacked as well, another answer shows nothing of the writer.
    """
    index, step = seen.replay.index, seen.steps[reader.id]
    earlier = task.plan[: [node.id for node in task.plan].index(reader.id)]
    affecting = [node for node in earlier if index.relation.may_affect(node.key, reader.key)]
    others = {seen.steps[node.id].call.args_hash for node in affecting if node.id != writer.id}
    known = set()
    for candidate in index.exact(reader.key, step.call.args_hash):
        if candidate.state_key == step.state_key or candidate.result_hash is None:
            continue
        made = queries.calls(seen.replay.recording, session=candidate.session, server=reader.server, results=False)
        before = {
            call.args_hash
            for call in made
            if call.id < candidate.call and call.tool and index.relation.may_affect(call.key, reader.key)
        }
        if before <= others and (candidate.outcome, before == others) not in known:
            known.add((candidate.outcome, before == others))
            yield seen.replay.recording.load_result(candidate.result_hash), before == others
