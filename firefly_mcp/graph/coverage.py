"""Coverage debt: which tools and edges no recorded session has shown yet, and where replay missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from firefly_mcp.graph.model import EdgeKey
from firefly_mcp.observe import flows, is_success, pointer_steps
from firefly_mcp.types import Call, ToolKey


@dataclass
class Coverage:
    """Counts that the sampler pays off, smallest first.

    Attributes:
        tools: successful recorded calls of each tool.
        edges: flows seen over each edge.
        misses: calls that replay could not answer, by tool: each asks for one more recording.
        missed_arguments: of those, how many differ from what is recorded in this argument of the tool: an edge into it may
            bring another value.
    """

    tools: Counter[ToolKey] = field(default_factory=Counter)
    edges: Counter[EdgeKey] = field(default_factory=Counter)
    misses: Counter[ToolKey] = field(default_factory=Counter)
    missed_arguments: Counter[tuple[ToolKey, str]] = field(default_factory=Counter)

    def copy(self) -> Coverage:
        """A copy that can be counted on."""
        return Coverage(self.tools.copy(), self.edges.copy(), self.misses.copy(), self.missed_arguments.copy())

    def level(self, key: ToolKey) -> int:
        """How well a tool is covered: its calls less its misses; the lowest level is sampled first."""
        return self.tools[key] - self.misses[key]

    def edge_level(self, edge: EdgeKey) -> int:
        """How well an edge is covered: its flows less the misses that ask for another value of the argument; at least 0."""
        _, target, argument = edge
        return max(0, self.edges[edge] - self.missed_arguments[target, argument])


def coverage_of(
    calls: Sequence[Call], misses: Iterable[ToolKey] = (), missed_arguments: Iterable[tuple[ToolKey, str]] = ()
) -> Coverage:
    """The coverage of recorded calls (replays left out), with the tools of replay misses and the arguments that were missed."""
    keys = {call.id: call.key for call in calls}
    edges: Counter[EdgeKey] = Counter()
    for flow in flows(calls):
        steps = pointer_steps(flow.argument)
        if steps and keys[flow.source] != keys[flow.target]:
            edges[keys[flow.source], keys[flow.target], steps[0]] += 1
    return Coverage(Counter(call.key for call in calls if is_success(call)), edges, Counter(misses), Counter(missed_arguments))
