"""Gates over values: evidence (each answer field is where it is said to be) and binding (each bound value is informative)."""

from __future__ import annotations

from firefly_mcp.observe import informative, is_success, pointer_steps
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.model import Binding, PlanNode, Task, Verdict, same_value
from firefly_mcp.tasks.selection import SelectionError, select

BINDING_AT_LEAST = 0.15
"""A number of two digits tells this much; ``10``, ``true`` and ``active`` tell less."""
EDGE_AT_LEAST = 0.5


def evidence_gate(task: Task, seen: Observed) -> Verdict:
    """Each answer field is found at its path, with the value of the answer, in a successful call."""
    asked = set((task.answer_schema.get("properties") or {}) if task.answer_schema else task.answer)
    if not task.answer or not set(task.evidence) == set(task.answer) == asked:
        return Verdict(gate="evidence", passed=False, reason="answer, answer schema and evidence do not name the same fields")
    for name, proof in task.evidence.items():
        step = seen.steps.get(proof.node)
        if step is None:
            return Verdict(gate="evidence", passed=False, reason=f"{name}: there is no node {proof.node}")
        if not is_success(step.call):
            return Verdict(gate="evidence", passed=False, reason=f"{name}: the call of {proof.node} failed")
        try:
            value = select(step.call.result or {}, proof.select)
        except SelectionError as error:
            return Verdict(gate="evidence", passed=False, reason=f"{name}: {error}")
        if not same_value(value, task.answer[name]):
            return Verdict(gate="evidence", passed=False, reason=f"{name}: the result says {value!r}")
    return Verdict(gate="evidence", passed=True, reason=f"{len(task.evidence)} fields found")


def binding_gate(task: Task, seen: Observed) -> Verdict:
    """Each bound value is informative (it could hardly have been guessed or have come from elsewhere by chance), or the edge
    of the tool graph that it goes along has a score above the threshold.
    """
    count = 0
    for node in task.plan:
        for binding in node.bindings:
            count += 1
            value = seen.steps[node.id].bound[binding.argument]
            if informative(value) < BINDING_AT_LEAST and _edge(task, seen, node, binding) < EDGE_AT_LEAST:
                return Verdict(gate="binding", passed=False, reason=f"{node.id}{binding.argument}: {value!r} tells too little")
    return Verdict(gate="binding", passed=True, reason=f"{count} bound values are informative or go along a sure edge")


def _edge(task: Task, seen: Observed, node: PlanNode, binding: Binding) -> float:
    argument = next(iter(pointer_steps(binding.argument)), "")
    return seen.grounds.edge_score(task.node(binding.source).key, node.key, argument)
