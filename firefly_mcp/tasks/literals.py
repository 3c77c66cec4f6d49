"""The literals of a plan: the values that its request must state, no more and no fewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import json_pointer, walk
from firefly_mcp.schemas import properties, resolve, single
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, same_value
from firefly_mcp.types import Call, Tool, ToolKey


@dataclass(frozen=True, slots=True)
class Literal:
    """One value of one argument that does not come from an earlier result."""

    node: str
    pointer: str
    value: Any


def node_literals(node: PlanNode, tool: Tool) -> list[Literal]:
    """The literals of one node; values equal to the schema's default need not be stated."""
    bound = {binding.argument for binding in node.bindings}
    found = []
    for steps, value in walk(node.arguments):
        pointer = json_pointer(steps)
        if isinstance(value, dict | list) or value is None or not steps or pointer in bound:
            continue
        if not _is_default(tool.input_schema, [str(step) for step in steps], value):
            found.append(Literal(node.id, pointer, value))
    return found


def predicates(select: JsonObject) -> Iterator[tuple[str, Any]]:
    """The ``(field, value)`` conditions of a selection."""
    for term in select.get("where") or []:
        yield str(term["field"]), term["equals"]


def stated_values(plan: list[PlanNode], evidence: Mapping[str, Proof], tools: Mapping[ToolKey, Tool]) -> list[Any]:
    """Every value that a request for this plan must state."""
    values = [literal.value for node in plan for literal in node_literals(node, tools[node.key])]
    selections = [binding.select for node in plan for binding in node.bindings] + [proof.select for proof in evidence.values()]
    return values + [value for selection in selections for _, value in predicates(selection)]


def bind(arguments: JsonObject, bindings: list[tuple[Binding, Any]]) -> JsonObject:
    """The arguments with each binding's value at its place.

    Raises:
        KeyError, IndexError: a binding points to a place that is not there.
    """
    bound: Any = _copy(arguments)
    for binding, value in bindings:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in binding.argument.split("/")[1:]]
        node = bound
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    assert isinstance(bound, dict)
    return bound


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _is_default(schema: JsonObject, steps: list[str], value: Any) -> bool:
    own: JsonObject = schema
    for step in steps:
        if step.isdigit():
            items = single(own, schema).get("items")
            own = items if isinstance(items, dict) else {}
        else:
            own = properties(own, schema).get(step, {})
    found = resolve(own, schema)
    return "default" in found and same_value(found["default"], value)


def words_needed(calls: Sequence[Call]) -> int:
    """About how many words a request needs for these calls: what each is for, and every argument with its name."""
    count = 0
    for call in calls:
        count += 5
        for _, value in walk(call.arguments):
            if not isinstance(value, dict | list) and value is not None:
                count += 2 + (len(value.split()) if isinstance(value, str) else 1)
    return count
