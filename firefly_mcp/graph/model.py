"""The tool graph: an edge A→B.argument says that something A returns can feed an argument of B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import Tool, ToolKey

EdgeKey = tuple[ToolKey, ToolKey, str]


@dataclass(frozen=True)
class Edge:
    """Something that ``source`` returns can feed ``argument`` of ``target``.

    Attributes:
        source: the tool that returns it.
        target: the tool that uses it.
        argument: the name of the target's top-level argument.
        score: all evidence combined, 0..1 (:func:`~firefly_mcp.graph.score.score_of`).
        evidence: each kind by itself: ``flow`` {count, calls, values, weight, false_rate, path, at}, ``echo`` the same of
            values that the source only passed on, ``schema`` {fit, name, type, format, path}, ``description`` {similarity},
            ``judgement`` {level, reason, model}. A path into prose is called ``regex`` instead.
    """

    source: ToolKey
    target: ToolKey
    argument: str
    score: float
    evidence: JsonObject = field(hash=False, default_factory=dict)

    @property
    def key(self) -> EdgeKey:
        """What identifies the edge."""
        return (self.source, self.target, self.argument)

    @property
    def crosses(self) -> bool:
        """Whether it goes from one server to another."""
        return self.source.server != self.target.server

    def to_json(self) -> JsonObject:
        """The edge as ``graph export --format json`` writes it."""
        return {
            "source": {"server": self.source.server, "tool": self.source.tool},
            "target": {"server": self.target.server, "tool": self.target.tool},
            "argument": self.argument,
            "score": self.score,
            "evidence": self.evidence,
        }


class ToolGraph:
    """Tools and the edges between them, in a fixed order."""

    def __init__(self, tools: Iterable[Tool], edges: Iterable[Edge]) -> None:
        """Keep ``edges`` whose two ends are among ``tools``; edges are ordered by key."""
        self.tools: dict[ToolKey, Tool] = {tool.key: tool for tool in tools}
        kept = (edge for edge in edges if edge.source in self.tools and edge.target in self.tools)
        self.edges: tuple[Edge, ...] = tuple(sorted(kept, key=lambda edge: edge.key))

    def __len__(self) -> int:
        return len(self.edges)

    @cached_property
    def edges_from(self) -> dict[ToolKey, list[Edge]]:
        """The edges that leave each tool, best first."""
        return self._by(lambda edge: edge.source)

    @cached_property
    def edges_into(self) -> dict[ToolKey, list[Edge]]:
        """The edges that enter each tool, best first."""
        return self._by(lambda edge: edge.target)

    @cached_property
    def by_key(self) -> dict[EdgeKey, Edge]:
        """Every edge by its key."""
        return {edge.key: edge for edge in self.edges}

    def score(self, source: ToolKey, target: ToolKey, argument: str) -> float:
        """The score of an edge, 0 where there is none."""
        edge = self.by_key.get((source, target, argument))
        return edge.score if edge else 0.0

    def above(self, score: float) -> ToolGraph:
        """The same tools with only the edges of at least ``score``."""
        return ToolGraph(self.tools.values(), (edge for edge in self.edges if edge.score >= score))

    def networkx(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx: nodes ``server/tool``, one edge per argument, with ``argument`` and ``score``."""
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for key in sorted(self.tools):
            graph.add_node(str(key), server=key.server, tool=key.tool)
        for edge in self.edges:
            graph.add_edge(str(edge.source), str(edge.target), key=edge.argument, argument=edge.argument, score=edge.score)
        return graph

    def to_json(self) -> JsonObject:
        """``{nodes, edges}`` as ``graph export --format json`` writes it."""
        nodes = [{"server": key.server, "tool": key.tool} for key in sorted(self.tools)]
        return {"nodes": nodes, "edges": [edge.to_json() for edge in self.edges]}

    def _by(self, end: Any) -> dict[ToolKey, list[Edge]]:
        found: dict[ToolKey, list[Edge]] = {key: [] for key in self.tools}
        for edge in sorted(self.edges, key=lambda edge: (-edge.score, edge.key)):
            found[end(edge)].append(edge)
        return found
