"""The necessity gate: without any one call the answer cannot be had.

A call is necessary when a later call needs a value that only it returned, or when it was observed that the answer is
another without it. That replay would miss without it is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from firefly_mcp.store import queries
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.model import PlanNode, Proof, Task, Verdict, same_value
from firefly_mcp.tasks.selection import SelectionError, select


def necessity_gate(task: Task, seen: Observed) -> Verdict:
    """Every call of the plan is needed for the answer."""
    reasons = []
    for node in task.plan:
        reason = _by_values(task, seen, node) or _by_observation(task, seen, node)
        if not reason:
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: {_why_not(task, seen, node)}")
        reasons.append(f"{node.id} {reason}")
    return Verdict(gate="necessity", passed=True, reason="; ".join(reasons))


def _by_values(task: Task, seen: Observed, node: PlanNode) -> str:
    """Why the node is needed for the values it returns; the empty string if it is not."""
    lost = _lost(task, {node.id})
    rest = [other.id for other in task.plan if other.id not in lost]
    if not lost & _answering(task) or _answer_known(task, seen, rest):
        return ""
    if node.id in _answering(task):
        return "gives the answer"
    hidden = [value for value in _given(task, seen, node.id) if not _known(task, seen, rest, value)]
    return f"alone gives {str(hidden[0])[:40]!r}" if hidden else ""


def _by_observation(task: Task, seen: Observed, writer: PlanNode) -> str:
    """How it was observed that later calls answer otherwise without the node, if that hides the answer; else the empty string.

    What was recorded without it counts first, value by value. Where nothing was recorded, an observed (or declared) effect of
    its tool on a tool whose answer is used does.
    """
    differing, equal = _recorded_without(task, seen, writer)
    how = "was observed to change the answer"
    if not differing and not equal:
        used = _answering(task) | {binding.source for node in task.plan for binding in node.bindings}
        relation = seen.replay.index.relation
        for node in _later(task, writer):
            effect = relation.effect(writer.key, node.key)
            if node.id in used and effect.affects and effect.source in ("observed", "declared"):
                differing.add(node.id)
                how = f"was {effect.source} to change what {node.tool} answers"
    lost = _lost(task, {writer.id, *differing})
    rest = [other.id for other in task.plan if other.id not in lost]
    return how if differing and lost & _answering(task) and not _answer_known(task, seen, rest) else ""


def _why_not(task: Task, seen: Observed, node: PlanNode) -> str:
    lost = _lost(task, {node.id})
    if _recorded_without(task, seen, node)[1]:
        return "the answer was observed to be the same without it"
    if not lost & _answering(task):
        return "nothing that is asked depends on it"
    rest = [other.id for other in task.plan if other.id not in lost]
    known = _answer_known(task, seen, rest)
    return "the answer is known without it" if known else "no value or observation shows that it is needed"


def _answering(task: Task) -> set[str]:
    return {proof.node for proof in task.evidence.values()}


def _lost(task: Task, without: set[str]) -> set[str]:
    """The nodes that cannot be called, or answer otherwise, without these: themselves, and what is bound to a lost one."""
    lost = set(without)
    for node in task.plan:
        if any(binding.source in lost for binding in node.bindings):
            lost.add(node.id)
    return lost


def _given(task: Task, seen: Observed, node_id: str) -> list[Any]:
    """The values that later nodes take from this one."""
    steps = seen.steps
    return [steps[n.id].bound[b.argument] for n in task.plan for b in n.bindings if b.source == node_id]


def _answer_known(task: Task, seen: Observed, rest: list[str]) -> bool:
    return all(_known(task, seen, rest, value) for value in task.answer.values())


def _known(task: Task, seen: Observed, rest: list[str], value: Any) -> bool:
    """Whether a value stands in the request or in one of the remaining results."""
    return tells(task.request, value) or any(seen.shows(node, value) for node in rest)


def _later(task: Task, writer: PlanNode) -> list[PlanNode]:
    return task.plan[[node.id for node in task.plan].index(writer.id) + 1 :]


def _recorded_without(task: Task, seen: Observed, writer: PlanNode) -> tuple[set[str], set[str]]:
    """The answering nodes after the writer whose call was recorded without the writer's: those that answered otherwise, and
    those that gave the answer all the same.
    """
    relation = seen.replay.index.relation
    later = {node.id for node in _later(task, writer) if relation.may_affect(writer.key, node.key)}
    differing, equal = set(), set()
    for name, proof in task.evidence.items():
        if proof.node in later:
            for value, alone in _answers_without(task, seen, writer, proof):
                if same_value(value, task.answer[name]):
                    equal.add(proof.node)
                elif alone:
                    differing.add(proof.node)
    return differing, equal - differing


def _answers_without(task: Task, seen: Observed, writer: PlanNode, proof: Proof) -> Iterator[tuple[Any, bool]]:
    """What the answering call gave in recorded sessions in which the writer's had not been made and nothing beyond the plan's,
    and whether the writer's alone was lacking. Where others lacked as well, another answer shows nothing of the writer.
    """
    index, reader = seen.replay.index, seen.steps[proof.node]
    earlier = task.plan[: [node.id for node in task.plan].index(proof.node)]
    affecting = [node for node in earlier if index.relation.may_affect(node.key, reader.call.key)]
    others = {seen.steps[node.id].call.args_hash for node in affecting if node.id != writer.id}
    known = set()
    for candidate in index.exact(reader.call.key, reader.call.args_hash):
        if candidate.state_key == reader.state_key or candidate.result_hash is None:
            continue
        made = queries.calls(seen.replay.recording, session=candidate.session, server=reader.call.server, results=False)
        before = {
            call.args_hash
            for call in made
            if call.id < candidate.call and call.tool and index.relation.may_affect(call.key, reader.call.key)
        }
        if before <= others and (candidate.outcome, before == others) not in known:
            known.add((candidate.outcome, before == others))
            try:
                value = select(seen.replay.recording.load_result(candidate.result_hash), proof.select)
            except SelectionError as error:
                value = {"error": str(error)}
            yield value, before == others
