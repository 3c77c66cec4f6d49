"""The literals of a plan: the values that its request must state, no more and no fewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import json_pointer, pointer_steps, walk
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
    """The literals of one node; values equal to the schema's default need not be stated.

    An array that holds no bound value is one literal, and so is an object whose members the schema does not name.
    """
    bound = {pointer_steps(binding.argument) for binding in node.bindings}
    return list(_literals(node, tool.input_schema, (), node.arguments, bound))


def _literals(
    node: PlanNode, schema: JsonObject, steps: tuple[str, ...], value: Any, bound: set[tuple[str, ...]]
) -> Iterator[Literal]:
    if value is None or steps in bound or (steps and _is_default(schema, list(steps), value)):
        return
    holds_bound = any(place[: len(steps)] == steps for place in bound)
    members: list[tuple[str, Any]] = []
    if isinstance(value, dict) and (holds_bound or not steps or _names_members(schema, list(steps), value)):
        members = list(value.items())
    elif isinstance(value, list) and holds_bound:
        members = [(str(place), item) for place, item in enumerate(value)]
    elif steps:
        yield Literal(node.id, json_pointer(steps), value)
    for step, item in members:
        yield from _literals(node, schema, (*steps, step), item, bound)


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
    return put(arguments, {binding.argument: value for binding, value in bindings})


def put(arguments: JsonObject, places: Mapping[str, Any]) -> JsonObject:
    """The arguments with other values at some places, as a copy.

    Args:
        arguments: of a call.
        places: values by the JSON pointer of their place.

    Raises:
        KeyError, IndexError: a place is not there.
    """
    made: Any = _copy(arguments)
    for pointer, value in places.items():
        *parents, last = pointer_steps(pointer)
        node = made
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    assert isinstance(made, dict)
    return made


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _is_default(schema: JsonObject, steps: list[str], value: Any) -> bool:
    found = resolve(_schema_at(schema, steps), schema)
    return "default" in found and same_value(found["default"], value)


def _names_members(schema: JsonObject, steps: list[str], value: JsonObject) -> bool:
    """Whether the schema names every member of the object at ``steps``: each can then be stated by its own name."""
    named = properties(_schema_at(schema, steps), schema)
    return bool(value) and all(key in named for key in value)


def _schema_at(schema: JsonObject, steps: list[str]) -> JsonObject:
    own: JsonObject = schema
    for step in steps:
        if step.isdigit():
            items = single(own, schema).get("items")
            own = items if isinstance(items, dict) else {}
        else:
            own = properties(own, schema).get(step, {})
    return own


def words_needed(calls: Sequence[Call]) -> int:
    """About how many words a request needs for these calls: what each is for, and every argument with its name."""
    count = 0
    for call in calls:
        count += 5
        for _, value in walk(call.arguments):
            if not isinstance(value, dict | list) and value is not None:
                count += 2 + (len(value.split()) if isinstance(value, str) else 1)
    return count
