"""What each episode shall do: a tour of one server, or a walk along a sampled sub-DAG and on from there.

Everything here is decided from the seed, the episode's number and what is recorded already; nothing from the clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from importlib import resources
from typing import Any

from firefly_agents.offline.draft import Wish
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.planner import Step, is_plumbing
from firefly_agents.offline.seen import group_of
from firefly_mcp.graph import Mix, SubDag, ToolGraph, sample
from firefly_mcp.graph.coverage import Coverage
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import ToolKey

_SHORT = 8
"""Calls of a walk that is not made longer on purpose."""
WALK = Mix(
    shapes={"chain": 0.5, "fan_out": 0.15, "fan_in": 0.2, "diamond": 0.15},
    size=(2, 5),
    cross_server=0.3,
)


@dataclass(frozen=True)
class Episode:
    """One session to hold.

    Attributes:
        number: unique within an exploration of one seed.
        kind: ``tour`` or ``walk``.
        servers: the servers to start.
        steps: the sub-DAG's nodes in calling order.
        length: calls at most.
        dag: the sub-DAG as JSON, for the label.
        focus: the tools that a tour is about; all that are offered where it names none.
    """

    number: int
    kind: str
    servers: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    length: int = 16
    dag: JsonObject | None = None
    focus: tuple[ToolKey, ...] = ()

    def key(self, seed: int) -> str:
        """The session's name in the recording."""
        return f"explore-{seed}-{self.number}"

    def labels(self, seed: int) -> dict[str, Any]:
        """What is kept with the session."""
        return {"episode": self.number, "seed": seed, "kind": self.kind, **({"dag": self.dag} if self.dag else {})}

    def rng(self, seed: int) -> random.Random:
        """The episode's own source of variety."""
        return random.Random(f"{seed}/{self.number}")

    def instructions(self) -> str:
        """The system prompt for a model that reads one."""
        text = resources.files("firefly_agents").joinpath("prompts/explore.md").read_text(encoding="utf-8")
        return text.format(length=self.length, course=self._course())

    def _course(self) -> str:
        if self.focus:
            return f"Get one good answer out of each of these tools: {', '.join(key.tool for key in self.focus)}."
        if not self.steps:
            return "Try each tool that is offered at least once, those that need nothing first."
        lines = ["Follow this course, then go on to whatever the results allow:"]
        for number, step in enumerate(self.steps, 1):
            fed = "".join(f"; its `{wish.argument}` from what {wish.source.tool} returned" for wish in step.wishes)
            lines.append(f"{number}. {step.tool.tool} of {step.tool.server}{fed}")
        return "\n".join(lines)


def tour_length(tools: int, most: int) -> int:
    """Calls of a tour: enough to call every tool, and to call again what failed."""
    return min(most, 4 + tools * 3 // 2)


def walks(graph: ToolGraph, coverage: Coverage, *, first: int, count: int, seed: int, most: int = _SHORT) -> list[Episode]:
    """Walks along freshly sampled sub-DAGs, numbered from ``first``, of at most ``most`` calls."""
    dags = sample(graph, count, seed=seed * 1_000_003 + first, mix=WALK, coverage=coverage)
    return [walk(dag, number, seed, graph, most=most) for number, dag in enumerate(dags, first)]


def worth_walking(graph: ToolGraph, memory: ValueMemory) -> ToolGraph:
    """The graph without tools that never answer well, tell the present time, or serve the plumbing of their server."""
    kept = [tool for key, tool in graph.tools.items() if not memory.hopeless(key) and not is_plumbing(key.tool)]
    return ToolGraph(kept, graph.edges)


def walk(dag: SubDag, number: int, seed: int, graph: ToolGraph | None = None, *, most: int = _SHORT) -> Episode:
    """The episode of one sub-DAG, with room for a few calls beyond it, ``most`` in all."""
    keys = {node.id: node.key for node in dag.nodes}
    steps = tuple(
        Step(
            node.key,
            tuple(
                Wish(keys[link.source], link.argument, _path(graph, keys[link.source], node.key, link.argument))
                for link in dag.links
                if link.target == node.id
            ),
        )
        for node in dag.nodes
    )
    servers = tuple(sorted({node.key.server for node in dag.nodes}))
    beyond = random.Random(f"{seed}/{number}/length").choice((1, 2, 2, 3))
    beyond += max(0, most - _SHORT)
    return Episode(number, "walk", servers, steps, min(most, len(steps) + beyond), dag.to_json())


def _path(graph: ToolGraph | None, source: ToolKey, target: ToolKey, argument: str) -> str:
    """Where in the source's answer a value was seen that flowed along the edge; indices as ``[*]``."""
    edge = graph.by_key.get((source, target, argument)) if graph is not None else None
    if edge is None:
        return ""
    path = (edge.evidence.get("flow") or {}).get("path")
    return group_of(path) if isinstance(path, str) and path.startswith("$") else ""
