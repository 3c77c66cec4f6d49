"""Distractors: tools offered beside a plan's own and near to them in the tool graph, so that choosing takes understanding.

Tools of the plan's servers come before others; among those, tools that an edge joins to the plan, the best score first, and
then tools whose name and description are most alike. Nothing is drawn at random: the same recording offers the same tools.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firefly_mcp.graph.model import Edge
from firefly_mcp.graph.similarity import Vectors
from firefly_mcp.graph.words import name_words, text_words
from firefly_mcp.types import Tool, ToolKey

OFFERED = 10
"""How many tools a task offers, its own counted in."""


class Distractors:
    """Which tools are near to which."""

    def __init__(self, tools: Mapping[ToolKey, Tool], edges: Iterable[Edge] = ()) -> None:
        """Take in the tools of a recording, and the edges of its graph where one was built."""
        self._tools = dict(sorted(tools.items()))
        self._at = {key: place for place, key in enumerate(self._tools)}
        self._of_server: dict[str, list[ToolKey]] = defaultdict(list)
        for key in self._tools:
            self._of_server[key.server].append(key)
        self._scores: dict[ToolKey, dict[ToolKey, float]] = defaultdict(dict)
        for edge in edges:
            for one, other in ((edge.source, edge.target), (edge.target, edge.source)):
                self._scores[one][other] = max(edge.score, self._scores[one].get(other, 0.0))

    def offered(self, plan: Iterable[ToolKey], seed: str, count: int = OFFERED) -> list[ToolKey]:
        """The plan's tools and the nearest others, ``count`` in all, in an order that tells nothing of which is which.

        Args:
            plan: the tools that are needed.
            seed: decides the order.
            count: how many to offer; a plan that needs more offers all that it needs.
        """
        used = list(dict.fromkeys(plan))
        near = self.near(used, max(0, count - len(used)))
        return sorted([*used, *near], key=lambda key: _shuffled(seed, key))

    def near(self, plan: Sequence[ToolKey], count: int) -> list[ToolKey]:
        """The ``count`` tools that are nearest to a plan's, nearest first."""
        servers = {key.server for key in plan}
        joined: dict[ToolKey, float] = defaultdict(float)
        for key in plan:
            for other, score in self._scores.get(key, {}).items():
                joined[other] = max(joined[other], score)
        # Tools of the plan's servers come first: where there are enough of them, no other is looked at.
        own = [key for server in sorted(servers) for key in self._of_server.get(server, ()) if key not in plan]
        found = own if len(own) >= count else [key for key in self._tools if key not in plan]
        alike = dict(zip(found, self._alike(plan, found), strict=True))

        def order(key: ToolKey) -> tuple[bool, float, float, ToolKey]:
            return key.server not in servers, -joined.get(key, 0.0), -round(float(alike[key]), 4), key

        return sorted(found, key=order)[:count]

    def _alike(self, plan: Sequence[ToolKey], others: Sequence[ToolKey]) -> NDArray[np.float32]:
        """For each of the others how alike its words are to those of the most similar tool of the plan."""
        rows = [self._at[key] for key in plan if key in self._at]
        if not rows:
            return np.zeros(len(others), dtype=np.float32)
        among = self._vectors[[self._at[key] for key in others]]
        return np.asarray((among @ self._vectors[rows].T).max(axis=1), dtype=np.float32)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        words = [[*name_words(tool.name), *text_words(tool.description)] for tool in self._tools.values()]
        return Vectors(words).matrix(words)


def _shuffled(seed: str, key: ToolKey) -> str:
    return hashlib.blake2b(f"{seed}{key}".encode(), digest_size=8).hexdigest()
