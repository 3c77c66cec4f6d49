"""The steps of a request: one for each call, or for several calls of one tool that differ in their values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firefly_mcp.observe import pointer_steps
from firefly_mcp.tasks.labels import path_label
from firefly_mcp.tasks.literals import Literal, node_literals
from firefly_mcp.tasks.model import Binding, PlanNode, same_value
from firefly_mcp.types import Tool, ToolKey

MOST_TOGETHER = 3


@dataclass(frozen=True)
class Step:
    """One step: its calls, and what is stated of each.

    Attributes:
        nodes: the calls, more than one only if they are of one tool and take nothing from results.
        tool: their tool.
        shared: literals that all of them have.
        varied: for each call its other literals.
        sources: ids of the nodes that it takes values from.
    """

    nodes: tuple[PlanNode, ...]
    tool: Tool
    shared: tuple[Literal, ...]
    varied: tuple[tuple[Literal, ...], ...]

    @property
    def bindings(self) -> list[Binding]:
        """The arguments that come from earlier results."""
        return self.nodes[0].bindings

    def holds(self, node: str) -> bool:
        """Whether the call of that id is one of its calls."""
        return any(own.id == node for own in self.nodes)


def steps_of(plan: Sequence[PlanNode], tools: Mapping[ToolKey, Tool]) -> list[Step]:
    """The plan's calls as steps, in order."""
    literals = {node.id: tuple(node_literals(node, tools[node.key])) for node in plan}
    groups: list[list[PlanNode]] = []
    for node in plan:
        last = groups[-1] if groups else []
        if last and len(last) < MOST_TOGETHER and _go_together(last[-1], node, literals):
            last.append(node)
        else:
            groups.append([node])
    return [_step(group, tools[group[0].key], [literals[node.id] for node in group]) for group in groups]


def _go_together(one: PlanNode, other: PlanNode, literals: Mapping[str, tuple[Literal, ...]]) -> bool:
    if one.key != other.key or one.bindings or other.bindings:
        return False
    left, right = literals[one.id], literals[other.id]
    same_places = [item.pointer for item in left] == [item.pointer for item in right]
    return same_places and any(not same_value(a.value, b.value) for a, b in zip(left, right, strict=True))


def _step(nodes: Sequence[PlanNode], tool: Tool, literals: Sequence[tuple[Literal, ...]]) -> Step:
    first = literals[0]
    if len(nodes) == 1:
        return Step(tuple(nodes), tool, first, ((),))
    shared = {at for at, item in enumerate(first) if all(same_value(own[at].value, item.value) for own in literals)}
    varied = tuple(tuple(item for at, item in enumerate(own) if at not in shared) for own in literals)
    return Step(tuple(nodes), tool, tuple(first[at] for at in sorted(shared)), varied)


def argument_labels(pointers: Sequence[str]) -> dict[str, str]:
    """A label for each argument of one call; one that another argument has too is told by the key before it."""
    paths = {pointer: [step for step in pointer_steps(pointer) if not step.isdigit()] for pointer in pointers}
    own = {pointer: path_label(path[-1:]) for pointer, path in paths.items()}
    labels = {}
    for pointer, path in paths.items():
        twins = any(own[other] == own[pointer] and paths[other] != path for other in pointers)
        labels[pointer] = f"{path_label(path[-2:-1])} {own[pointer]}" if twins and len(path) > 1 else own[pointer]
    return labels
