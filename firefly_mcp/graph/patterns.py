"""Grow one tool into a chain, a fan-out, a fan-in or a diamond of the tool graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firefly_mcp.graph.model import Edge, ToolGraph
from firefly_mcp.types import ToolKey

Choose = Callable[[Sequence[Edge]], Edge | None]
"""Picks one of some edges, or None when none is allowed."""


@dataclass
class Grown:
    """A connected, acyclic part of the graph while it grows; tools in the order in which they came."""

    tools: list[ToolKey]
    edges: list[Edge] = field(default_factory=list)

    def add(self, edge: Edge) -> None:
        """Add an edge and whichever of its ends is new."""
        self.edges.append(edge)
        self.tools += [key for key in (edge.source, edge.target) if key not in self.tools]

    def reaches(self, start: ToolKey, end: ToolKey) -> bool:
        """Whether a path of edges leads from ``start`` to ``end``."""
        seen, front = {start}, [start]
        while front:
            here = front.pop()
            if here == end:
                return True
            for edge in self.edges:
                if edge.source == here and edge.target not in seen:
                    seen.add(edge.target)
                    front.append(edge.target)
        return False


def grow(shape: str, start: ToolKey, size: int, limit: int, graph: ToolGraph, choose: Choose) -> Grown | None:
    """Grow ``start`` into ``shape`` with about ``size`` tools and at most ``limit``; None where the graph does not give it."""
    if shape == "single":
        return Grown([start])
    least = {"chain": 2, "fan_out": 3, "fan_in": 3, "diamond": 4}[shape]
    if limit < least:
        return None
    return _GROWERS[shape](start, max(size, least), graph, choose)


def _chain(start: ToolKey, size: int, graph: ToolGraph, choose: Choose) -> Grown | None:
    grown = Grown([start])
    first = last = start
    while len(grown.tools) < size:
        onward = [edge for edge in graph.edges_from[last] if edge.target not in grown.tools]
        backward = [edge for edge in graph.edges_into[first] if edge.source not in grown.tools]
        edge = choose([*onward, *backward])
        if edge is None:
            break
        grown.add(edge)
        first, last = (edge.source, last) if edge.target == first else (first, edge.target)
    return grown if len(grown.tools) > 1 else None


def _fan_out(start: ToolKey, size: int, graph: ToolGraph, choose: Choose) -> Grown | None:
    grown = Grown([start])
    while len(grown.tools) < size:
        edge = choose([edge for edge in graph.edges_from[start] if edge.target not in grown.tools])
        if edge is None:
            break
        grown.add(edge)
    return grown if len(grown.tools) > 2 else None


def _fan_in(start: ToolKey, size: int, graph: ToolGraph, choose: Choose) -> Grown | None:
    grown = Grown([start])
    fed: set[str] = set()
    while len(grown.tools) < size:
        free = [edge for edge in graph.edges_into[start] if edge.source not in grown.tools and edge.argument not in fed]
        edge = choose(free)
        if edge is None:
            break
        grown.add(edge)
        fed.add(edge.argument)
    return grown if len(grown.tools) > 2 else None


def _diamond(end: ToolKey, size: int, graph: ToolGraph, choose: Choose) -> Grown | None:
    """Choose one side, then its top; the other sides are those that the same top feeds and that feed another argument."""
    side = choose(graph.edges_into[end])
    if side is None:
        return None
    top = choose([edge for edge in graph.edges_into[side.source] if edge.source != end])
    if top is None:
        return None
    grown = Grown([end])
    grown.add(side)
    grown.add(top)
    fed = {side.argument}
    from_top: dict[ToolKey, list[Edge]] = {}
    for edge in graph.edges_from[top.source]:
        from_top.setdefault(edge.target, []).append(edge)
    while len(grown.tools) < size:
        free = [
            edge
            for edge in graph.edges_into[end]
            if edge.argument not in fed and edge.source in from_top and edge.source not in grown.tools
        ]
        other = choose(free)
        upper = choose(from_top[other.source]) if other else None
        if other is None or upper is None:
            break
        grown.add(other)
        grown.add(upper)
        fed.add(other.argument)
    return grown if len(grown.tools) > 3 else None


_GROWERS = {"chain": _chain, "fan_out": _fan_out, "fan_in": _fan_in, "diamond": _diamond}
