"""A sub-DAG: a few tools of the graph and the edges along which data shall go between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from firefly_mcp.graph.model import Edge
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import ToolKey

SHAPES = ("single", "chain", "fan_out", "fan_in", "diamond")


@dataclass(frozen=True)
class Node:
    """One call to make; ``id`` is its name within the sub-DAG."""

    id: str
    key: ToolKey


@dataclass(frozen=True)
class Link:
    """The answer of node ``source`` feeds ``argument`` of node ``target``."""

    source: str
    target: str
    argument: str


@dataclass(frozen=True)
class SubDag:
    """Connected and acyclic; nodes are in an order in which they can be called."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    shape: str

    def to_json(self) -> JsonObject:
        """The sub-DAG as ``firefly sample --json`` writes it."""
        return {
            "nodes": [{"id": node.id, "server": node.key.server, "tool": node.key.tool} for node in self.nodes],
            "edges": [{"source": link.source, "target": link.target, "argument": link.argument} for link in self.links],
            "shape": self.shape,
        }


def make_subdag(tools: Sequence[ToolKey], edges: Iterable[Edge]) -> SubDag:
    """Put tools (each once) and edges between them into calling order and name the shape that they really have.

    Raises:
        graphlib.CycleError: the edges go round.
    """
    edges = sorted(edges, key=lambda edge: edge.key)
    before: dict[ToolKey, set[ToolKey]] = {tool: set() for tool in tools}
    for edge in edges:
        before[edge.target].add(edge.source)
    sorter = TopologicalSorter(before)
    sorter.prepare()
    order: list[ToolKey] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    ids = {tool: f"n{number}" for number, tool in enumerate(order, 1)}
    links = sorted((Link(ids[edge.source], ids[edge.target], edge.argument) for edge in edges), key=_link_order)
    pairs = {(edge.source, edge.target) for edge in edges}
    return SubDag(tuple(Node(ids[tool], tool) for tool in order), tuple(links), shape_of(order, pairs))


def shape_of(tools: Sequence[ToolKey], pairs: Iterable[tuple[ToolKey, ToolKey]]) -> str:
    """``single``, ``chain``, ``fan_out``, ``fan_in``, ``diamond``, or ``mixed`` for anything else.

    Several arguments fed by one source count as one arrow. A diamond parts from one tool into two or more that meet in one.
    """
    arrows = set(pairs)
    size = len(tools)
    if size == 1:
        return "single"
    into = Counter(target for _, target in arrows)
    out = Counter(source for source, _ in arrows)
    if len(arrows) == size - 1:
        if max(into.values()) == 1 and max(out.values()) == 1:
            return "chain"
        if len(out) == 1:
            return "fan_out"
        if len(into) == 1:
            return "fan_in"
    tops, ends = [tool for tool in tools if not into[tool]], [tool for tool in tools if not out[tool]]
    if size >= 4 and len(tops) == 1 and len(ends) == 1 and len(arrows) == 2 * (size - 2):
        middle = [tool for tool in tools if tool not in (tops[0], ends[0])]
        if all((tops[0], tool) in arrows and (tool, ends[0]) in arrows for tool in middle):
            return "diamond"
    return "mixed"


def _link_order(link: Link) -> tuple[int, int, str]:
    return (int(link.target[1:]), int(link.source[1:]), link.argument)
