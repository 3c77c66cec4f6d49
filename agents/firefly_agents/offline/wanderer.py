"""An episode without guidance, to compare with: any tool next, or each in turn, whatever was seen or learnt of it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.draft import EpisodeState
from firefly_agents.offline.planner import EpisodePlanner, Pending
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.types import ToolKey


class Wanderer(EpisodePlanner):
    """Chooses tools blindly. Arguments are planned as in a guided episode, unless it is ``blind`` to results as well."""

    def __init__(
        self,
        tools: Mapping[ToolKey, ToolInfo],
        arguments: ArgumentPlanner,
        rng: Random,
        *,
        length: int,
        in_turn: bool = False,
        blind: bool = False,
    ) -> None:
        """Make ``length`` calls of ``tools``, in their order where ``in_turn``."""
        super().__init__(tools, arguments, rng, length=length)
        self._in_turn = in_turn
        self._blind = blind
        self._turn = rng.randrange(max(1, len(self.tools)))

    def choose(self) -> Pending | None:
        """Any tool, or the next one."""
        keys = list(self.tools)
        if not keys:
            return None
        self._turn += 1
        key = keys[self._turn % len(keys)] if self._in_turn else self.rng.choice(keys)
        return self.draft(self.tools[key], None, 0)

    def observe(self, output: str) -> None:
        """Take in what the pending call returned, or not."""
        super().observe(output)
        if self._blind:
            self.state = EpisodeState()
