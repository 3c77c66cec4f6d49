"""Draw sub-DAGs from the tool graph: seeded, of a chosen mix of shapes and servers, what is least covered first.

The same graph, seed, mix and coverage give the same sub-DAGs, byte for byte.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TypeVar

from firefly_mcp.errors import UsageError
from firefly_mcp.graph.coverage import Coverage
from firefly_mcp.graph.fill import open_arguments
from firefly_mcp.graph.model import Edge, ToolGraph
from firefly_mcp.graph.patterns import Choose, Grown, grow
from firefly_mcp.graph.subdag import SHAPES, SubDag, make_subdag
from firefly_mcp.types import ToolKey

MIN_SCORE = 0.08
MAX_SIZE = 10
_STARTS = 12
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Mix:
    """What to draw.

    Attributes:
        shapes: the share of each shape; shares need not sum to 1.
        size: least and most calls, within 1 to 10; a shape that cannot have a size takes the nearest that it can.
        cross_server: the share of sub-DAGs that go over more than one server (where edges allow it).
        decay: each further call is this much rarer.
        servers: the share of sub-DAGs that start at each server; servers not named are left out. Empty: all of them, in turn.
    """

    shapes: Mapping[str, float] = field(
        default_factory=lambda: {"single": 0.1, "chain": 0.4, "fan_out": 0.2, "fan_in": 0.15, "diamond": 0.15}
    )
    size: tuple[int, int] = (1, MAX_SIZE)
    cross_server: float = 0.2
    decay: float = 0.75
    servers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.shapes) - set(SHAPES))
        if unknown:
            raise UsageError(f"no such shape: {', '.join(unknown)}; shapes are {', '.join(SHAPES)}")
        if not 1 <= self.size[0] <= self.size[1] <= MAX_SIZE:
            raise UsageError(f"sizes go from 1 to {MAX_SIZE}, the smaller first; got {self.size[0]} to {self.size[1]}")
        if not any(share > 0 for share in self.shapes.values()):
            raise UsageError("at least one shape needs a share above 0")
        if self.servers and not any(share > 0 for share in self.servers.values()):
            raise UsageError("at least one server needs a share above 0")


def sample(
    graph: ToolGraph,
    count: int,
    *,
    seed: int = 0,
    mix: Mix | None = None,
    coverage: Coverage | None = None,
    min_score: float = MIN_SCORE,
) -> list[SubDag]:
    """Draw ``count`` sub-DAGs.

    A drawn shape that the graph cannot give is replaced by another; each sub-DAG tells the shape it really has. Every
    required argument of a node is fed by an edge, can be made from its schema, or is one that no edge of the graph feeds.

    Args:
        graph: the tool graph.
        count: how many.
        seed: of all choices.
        mix: shapes, sizes and servers.
        coverage: what is covered already; each sub-DAG drawn counts as covered for the next.
        min_score: weaker edges are not walked.

    Raises:
        UsageError: the mix names a server that the graph does not have.
    """
    mix = mix or Mix()
    return list(_Sampler(_within(graph, mix).above(min_score), random.Random(seed), mix, coverage or Coverage()).draw(count))


def _within(graph: ToolGraph, mix: Mix) -> ToolGraph:
    """The edges that can be walked, of the servers that the mix names."""
    # Who only passes values on cannot begin a plan: its own argument needs the very value that it gives.
    graph = ToolGraph(
        graph.tools.values(), (edge for edge in graph.edges if "flow" in edge.evidence or "echo" not in edge.evidence)
    )
    if not mix.servers:
        return graph
    unknown = sorted(set(mix.servers) - {key.server for key in graph.tools})
    if unknown:
        raise UsageError(f"no such server in the graph: {', '.join(unknown)}")
    kept = [tool for tool in graph.tools.values() if mix.servers.get(tool.server, 0) > 0]
    return ToolGraph(kept, graph.edges)


class _Sampler:
    def __init__(self, graph: ToolGraph, rng: random.Random, mix: Mix, coverage: Coverage) -> None:
        self.graph = graph
        self.rng = rng
        self.mix = mix
        self.coverage = coverage.copy()
        self.keys = sorted(graph.tools)
        self.fed = {(edge.target, edge.argument) for edge in graph.edges}
        self.open = {key: open_arguments(tool) for key, tool in graph.tools.items()}
        self.crossing = {key for edge in graph.edges if edge.crosses for key in (edge.source, edge.target)}
        self.server_sizes = Counter(key.server for key in self.keys)
        self.server_uses: Counter[str] = Counter()
        self.drawn: set[tuple[object, ...]] = set()

    def draw(self, count: int) -> Iterator[SubDag]:
        if not self.keys:
            return
        for _ in range(count):
            dag = self._one()
            self._pay(dag)
            yield dag

    def _one(self) -> SubDag:
        wanted = self._pick(list(self.mix.shapes), [max(0.0, self.mix.shapes[name]) for name in self.mix.shapes])
        across = self.rng.random() < self.mix.cross_server
        shares = {name: share for name, share in self.mix.servers.items() if share > 0}
        home = self._pick(list(shares), list(shares.values())) if shares else None
        others = [name for name in ("chain", "fan_out", "fan_in", "diamond") if name != wanted and self.mix.shapes.get(name)]
        self.rng.shuffle(others)
        again: SubDag | None = None
        # First as wanted, then over other servers, then in whatever shape its needs give it, then another shape; a sub-DAG
        # that was drawn before only when nothing new is found.
        tries = [(wanted, across, True), (wanted, not across, True), (wanted, across, False), (wanted, not across, False)]
        tries += [(name, across, True) for name in others]
        for shape, over, exact in [*tries, ("single", False, True)]:
            for start in islice(cycle(self._starts(shape, over, home)), 2 * _STARTS):
                dag = self._grown(shape, start, over)
                if dag is None or (exact and dag.shape != shape):
                    continue
                if self._signature(dag) not in self.drawn:
                    return dag
                again = again or dag
        return again or make_subdag([self._starts("single", False, home)[0]], [])

    def _starts(self, shape: str, across: bool, home: str | None) -> list[ToolKey]:
        """Up to a dozen tools to start from, the least covered first, spread over servers; of one where ``home`` is named."""
        if shape == "single":
            able = self.keys
        elif shape in ("fan_in", "diamond"):
            able = [key for key in self.keys if len({edge.argument for edge in self.graph.edges_into[key]}) > 1]
        elif shape == "fan_out":
            able = [key for key in self.keys if len({edge.target for edge in self.graph.edges_from[key]}) > 1]
        else:
            able = [key for key in self.keys if self.graph.edges_from[key] or self.graph.edges_into[key]]
        if across:
            able = [key for key in able if key in self.crossing] or able
        if home is not None:
            able = [key for key in able if key.server == home]
        # The random part decides within a level (Efraimidis and Spirakis, 2006: keys -log(u)/w draw by weight).
        ranked = sorted((self.coverage.level(key), self.rng.expovariate(self._spread(key)), key) for key in able)
        return [key for *_, key in ranked[:_STARTS]]

    def _grown(self, shape: str, start: ToolKey, across: bool) -> SubDag | None:
        low, high = self.mix.size
        sizes = list(range(low, high + 1))
        size = int(self._pick(sizes, [self.mix.decay**number for number in sizes]))
        grown = grow(shape, start, size, high, self.graph, self._chooser(across))
        if grown is None or not self._feed(grown, high, across) or not low <= len(grown.tools) <= high:
            return None
        if any(edge.crosses for edge in grown.edges) != (across and len(grown.tools) > 1):
            return None
        return make_subdag(grown.tools, grown.edges)

    def _feed(self, grown: Grown, limit: int, across: bool) -> bool:
        """Add the edges (and tools) that required arguments still need; False where that cannot be done."""
        for tool in grown.tools:  # grows while it is walked: an added tool has needs of its own
            given = {edge.argument for edge in grown.edges if edge.target == tool}
            for argument in self.open[tool]:
                if argument in given or (tool, argument) not in self.fed:
                    continue
                feeding = [
                    edge for edge in self.graph.edges_into[tool] if edge.argument == argument and (across or not edge.crosses)
                ]
                inside = [edge for edge in feeding if edge.source in grown.tools and not grown.reaches(tool, edge.source)]
                fresh = [edge for edge in feeding if edge.source not in grown.tools] if len(grown.tools) < limit else []
                if not inside and not fresh:
                    return False
                grown.add(self._edge(inside or fresh, across=False))
        return True

    def _chooser(self, across: bool) -> Choose:
        crossed = False

        def choose(edges: Sequence[Edge]) -> Edge | None:
            nonlocal crossed
            allowed = edges if across else [edge for edge in edges if not edge.crosses]
            if not allowed:
                return None
            edge = self._edge(allowed, across=across and not crossed)
            crossed = crossed or edge.crosses
            return edge

        return choose

    def _edge(self, edges: Sequence[Edge], *, across: bool) -> Edge:
        """One edge by score, debt and spread; ``across`` prefers those that leave the server."""
        weights = []
        for edge in edges:
            other = edge.source if self.coverage.level(edge.source) < self.coverage.level(edge.target) else edge.target
            weight = edge.score / (1 + self.coverage.edge_level(edge.key)) / (1 + max(0, self.coverage.level(other)))
            needs = [name for name in self.open[edge.target] if name != edge.argument and (edge.target, name) in self.fed]
            weight *= 0.3 ** len(needs) * self._spread(edge.target) ** 0.5
            weights.append(weight * (20.0 if across and edge.crosses else 1.0))
        return self._pick(edges, weights)

    def _spread(self, key: ToolKey) -> float:
        return 1.0 / (1 + self.server_uses[key.server]) / self.server_sizes[key.server]

    def _pay(self, dag: SubDag) -> None:
        keys = {node.id: node.key for node in dag.nodes}
        self.coverage.tools.update(keys.values())
        self.coverage.edges.update((keys[link.source], keys[link.target], link.argument) for link in dag.links)
        self.server_uses.update({key.server for key in keys.values()})
        self.drawn.add(self._signature(dag))

    @staticmethod
    def _signature(dag: SubDag) -> tuple[object, ...]:
        return (tuple(node.key for node in dag.nodes), dag.links)

    def _pick(self, items: Sequence[_Item], weights: Sequence[float]) -> _Item:
        return self.rng.choices(items, weights)[0]
