"""Gates over values: evidence (each answer field is where it is said to be), binding (each bound value is informative),
determinacy (each selection gives exactly one value).
"""

from __future__ import annotations

from firefly_mcp.observe import informative
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.model import Task, Verdict, same_value
from firefly_mcp.tasks.selection import HOWS, SelectionError, select

BINDING_AT_LEAST = 0.25


def evidence_gate(task: Task, seen: Observed) -> Verdict:
    """Each answer field is found at its path, with the value of the answer, in a successful call."""
    if set(task.evidence) != set(task.answer):
        return Verdict(gate="evidence", passed=False, reason="answer fields and evidence do not name the same fields")
    for name, proof in task.evidence.items():
        step = seen.steps.get(proof.node)
        if step is None:
            return Verdict(gate="evidence", passed=False, reason=f"{name}: there is no node {proof.node}")
        try:
            value = select(step.call.result or {}, proof.select)
        except SelectionError as error:
            return Verdict(gate="evidence", passed=False, reason=f"{name}: {error}")
        if not same_value(value, task.answer[name]):
            return Verdict(gate="evidence", passed=False, reason=f"{name}: the result says {value!r}")
    return Verdict(gate="evidence", passed=True, reason=f"{len(task.evidence)} fields found")


def binding_gate(task: Task, seen: Observed) -> Verdict:
    """Each bound value is informative: it could hardly have been guessed or have come from elsewhere by chance."""
    for node in task.plan:
        for binding in node.bindings:
            value = seen.steps[node.id].bound[binding.argument]
            if informative(value) < BINDING_AT_LEAST:
                return Verdict(gate="binding", passed=False, reason=f"{node.id}{binding.argument}: {value!r} tells too little")
    return Verdict(gate="binding", passed=True, reason="every bound value is informative")


def determinacy_gate(task: Task, seen: Observed) -> Verdict:
    """Each selection says how it chooses, and chooses exactly one value."""
    chosen = [(binding.source, binding.select) for node in task.plan for binding in node.bindings]
    chosen += [(proof.node, proof.select) for proof in task.evidence.values()]
    for node, selection in chosen:
        hows = [how for how in HOWS if how in selection]
        if "regex" not in selection and len(hows) != 1:
            return Verdict(gate="determinacy", passed=False, reason=f"{node}: a selection must have one of {', '.join(HOWS)}")
        if any(part.strip("[").rstrip("]").isdigit() for part in str(selection.get("path", "")).replace("[", " [").split()):
            return Verdict(gate="determinacy", passed=False, reason=f"{node}: {selection['path']} is a bare index")
        try:
            select(seen.result(node), selection)
        except (SelectionError, KeyError) as error:
            return Verdict(gate="determinacy", passed=False, reason=f"{node}: {error}")
    return Verdict(gate="determinacy", passed=True, reason=f"{len(chosen)} selections give one value each")
