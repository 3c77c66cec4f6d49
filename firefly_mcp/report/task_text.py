"""One task for a person at a terminal: its request, its plan in words with what was recorded, its answer, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.observe import result_view
from firefly_mcp.tasks.gates import Observed
from firefly_mcp.tasks.model import PlanNode, Proof, Task

_AROUND = 160
"""Characters of a result that are shown on either side of a value."""


def task_lines(task: Task, seen: Observed | None = None) -> Iterator[str]:
    """The task, line by line.

    Args:
        task: the task.
        seen: its plan as a recording answers it; without it no results are shown.
    """
    yield f"{task.id}  {task.kind}, {task.difficulty}, {task.split}, as of {task.now}"
    yield from ("", task.request, "", "Plan")
    for number, node in enumerate(task.plan, 1):
        yield from _node(number, node, task, seen)
    yield from ("", "Answer")
    for name, value in task.answer.items():
        proof = task.evidence.get(name)
        why = f"   {selection_words(proof.select)} of {proof.node}" if proof else ""
        yield f"  {name} = {text(value)}{why}"
    others = [name for name in task.tools if name not in {node.exposed_name for node in task.plan}]
    yield from ("", f"Offered besides: {', '.join(others) or 'nothing'}", "", "Verdicts")
    for verdict in task.verdicts:
        yield f"  {'passed' if verdict.passed else 'FAILED'}  {verdict.gate}: {verdict.reason}"


def selection_words(select: Mapping[str, Any]) -> str:
    """A selection in words."""
    if "regex" in select:
        return f"what the pattern {select['regex']} finds"
    path = select.get("path", "$")
    take = f", its {select['take']}" if select.get("take") not in (None, "$") else ""
    if "where" in select:
        terms = " and ".join(f"{term.get('field')} is {_value(term.get('equals'))}" for term in select["where"])
        return f"the one of {path} where {terms}{take}"
    for how, words in (("argmin", "smallest"), ("argmax", "largest")):
        if how in select:
            by = "" if select[how] in (None, "$") else f" by {select[how]}"
            return f"the {words} of {path}{by}{take}"
    first = select.get("first")
    if isinstance(first, dict):
        place = "last" if first.get("desc") else "first"
        by = "" if first.get("by") in (None, "$") else f" of {first.get('by')}"
        return f"the {place} of {path} in order{by}{take}"
    return f"the only {path}{take}" if select.get("only") and take else f"{path}{take}"


def _node(number: int, node: PlanNode, task: Task, seen: Observed | None) -> Iterator[str]:
    bound = {binding.argument: binding for binding in node.bindings}
    yield f"  {number}. {node.server} / {node.tool}   ({node.id})"
    for name, value in node.arguments.items():
        if value is not None or f"/{name}" not in bound:
            yield f"       {name} = {_value(value)}"
    for pointer, binding in bound.items():
        got = "" if seen is None else f"  → {_value(seen.steps[node.id].bound[pointer])}"
        yield f"       {pointer.removeprefix('/')} from {binding.source}: {selection_words(binding.select)}{got}"
    if seen is not None:
        step = seen.steps[node.id]
        yield f"       recorded as call {step.call.id}: {_around(step.call.result or {}, _used(node, task, seen))}"


def _used(node: PlanNode, task: Task, seen: Observed) -> list[JSON]:
    """The values that are taken from a node's result."""
    given = [
        seen.steps[other.id].bound[binding.argument]
        for other in task.plan
        for binding in other.bindings
        if binding.source == node.id
    ]
    proofs: Mapping[str, Proof] = task.evidence
    return given + [task.answer[name] for name, proof in proofs.items() if proof.node == node.id and name in task.answer]


def _around(result: JsonObject, values: list[JSON]) -> str:
    """What a result says, cut to what stands around the first of these values that it holds."""
    view = result_view(result)
    shown = str(view.value) if view.kind == "text" else text(view.value)
    places = [(at, len(_value(value))) for value in values if (at := shown.find(_value(value))) >= 0]
    at, length = min(places, default=(0, 0))
    start, end = max(0, at - _AROUND), at + length + _AROUND
    return f"{'…' if start else ''}{shown[start:end]}{'…' if end < len(shown) else ''}"


def _value(value: JSON) -> str:
    return value if isinstance(value, str) else text(value)
