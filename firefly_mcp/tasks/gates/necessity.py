"""The necessity gate: without any one call the answer cannot be had.

A call is necessary when a later call needs a value that only it returned, or when it was observed that the answer is
another without it. That replay would miss without it is no evidence.
"""

from __future__ import annotations

from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import result_text, walk
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.model import PlanNode, Task, Verdict, same_value
from firefly_mcp.tasks.selection import SelectionError, select


def necessity_gate(task: Task, seen: Observed) -> Verdict:
    """Every call of the plan is needed for the answer."""
    reasons = []
    answering = {proof.node for proof in task.evidence.values()}
    for node in task.plan:
        lost = _without(task, node.id)
        rest = [seen.result(other.id) for other in task.plan if other.id not in lost]
        if node.id not in answering and not lost & answering and not _observed_effect(task, seen, node):
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: nothing that is asked depends on it")
        if all(_holds(rest, value) or tells(task.request, value) for value in task.answer.values()):
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: the answer is known without it")
        given = _given(task, seen, node.id)
        hidden = [value for value in given if not _holds(rest, value) and not tells(task.request, value)]
        if node.id in answering:
            reasons.append(f"{node.id} gives the answer")
        elif hidden:
            reasons.append(f"{node.id} alone gives {str(hidden[0])[:40]!r}")
        elif _observed_effect(task, seen, node):
            reasons.append(f"{node.id} was observed to change what follows")
        else:
            return Verdict(gate="necessity", passed=False, reason=f"{node.id}: no value or observation shows that it is needed")
    return Verdict(gate="necessity", passed=True, reason="; ".join(reasons))


def _without(task: Task, node_id: str) -> set[str]:
    """The nodes that cannot be called without ``node_id``: itself, and what is bound to a lost one."""
    lost = {node_id}
    for node in task.plan:
        if any(binding.source in lost for binding in node.bindings):
            lost.add(node.id)
    return lost


def _given(task: Task, seen: Observed, node_id: str) -> list[Any]:
    """The values that later nodes take from this one."""
    steps = seen.steps
    return [steps[n.id].bound[b.argument] for n in task.plan for b in n.bindings if b.source == node_id]


def _holds(results: list[JsonObject], value: Any) -> bool:
    from firefly_mcp.observe import result_view

    for result in results:
        view = result_view(result)
        if view.kind == "text":
            if tells(result_text(result), value):
                return True
        elif any(same_value(item, value) for _, item in walk(view.value) if not isinstance(item, dict | list)):
            return True
    return False


def _observed_effect(task: Task, seen: Observed, writer: PlanNode) -> bool:
    """Whether an answering call was recorded with another answer in a state without the writer, or the effect of the
    writer's tool on a later tool of the plan was observed.
    """
    index = seen.replay.index
    places = [node.id for node in task.plan]
    later = [node for node in task.plan[places.index(writer.id) + 1 :] if node.server == writer.server]
    if any(
        index.relation.effect(writer.key, node.key).source in ("observed", "declared")
        for node in later
        if index.relation.may_affect(writer.key, node.key)
    ):
        return True
    for name, proof in task.evidence.items():
        step = seen.steps[proof.node]
        if step.call.server != writer.server or not index.relation.may_affect(writer.key, step.call.key):
            continue
        for candidate in index.exact(step.call.key, step.call.args_hash):
            if candidate.state_key != step.state_key and candidate.outcome.startswith("blake2b:"):
                other = seen.replay.recording.load_result(candidate.outcome)
                try:
                    if not same_value(select(other, proof.select), task.answer[name]):
                        return True
                except SelectionError:
                    return True
    return False
