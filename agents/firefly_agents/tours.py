"""Tours: episodes that try every tool of a server, again and with other arguments until one call of each succeeds.

The first tour of a server finds out what it offers. What it left uncovered is dealt out to further tours, a handful of tools
each, with helpers that succeeded before, until nothing is left, nothing new comes of it, or enough was tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from firefly_agents.episodes import Episode
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.planner import is_plumbing
from firefly_mcp.types import Tool, ToolKey

FOCUS = 24
"""Tools that one tour is about."""
PATIENCE = 9
"""Failed calls after which a tool that never succeeded is given up."""
_HOPELESS = 2
"""Calls that failed for want of a network, a program or a key after which other arguments are not tried."""
_IDLE = 2
"""Rounds without a new success after which a server is left as it is."""


class Tours:
    """Which tours there are to make next."""

    def __init__(self, servers: Sequence[str], *, rounds: int, calls: int) -> None:
        """Tour ``servers`` at most ``rounds`` times over, with at most ``calls`` calls a tour."""
        self._servers = list(servers)
        self._rounds = rounds
        self._calls = calls
        self._round = 0
        self._covered: dict[str, int] = {}
        self._idle: Counter[str] = Counter()

    def next(self, tools: Mapping[ToolKey, Tool], memory: ValueMemory, first: int) -> list[Episode]:
        """The next round of tours, numbered from ``first``; empty where there is nothing more to try.

        Args:
            tools: the tools known so far that may be called.
            memory: what was learnt of them.
            first: the number of the first episode.
        """
        self._round += 1
        if self._round == 1:
            return [Episode(first + at, "tour", (name,), length=self._calls) for at, name in enumerate(self._servers)]
        if self._round > self._rounds:
            return []
        found: list[Episode] = []
        for name in self._servers:
            own = [key for key in tools if key.server == name]
            covered = sum(1 for key in own if memory.succeeded[key])
            if self._round > 2:
                self._idle[name] = self._idle[name] + 1 if covered <= self._covered.get(name, 0) else 0
            self._covered[name] = covered
            if self._idle[name] >= _IDLE:
                continue
            for focus in _dealt(self._wanting(own, memory)):
                length = min(self._calls, 4 + 3 * len(focus))
                found.append(Episode(first + len(found), "tour", (name,), length=length, focus=focus))
        return found

    def _wanting(self, own: list[ToolKey], memory: ValueMemory) -> list[ToolKey]:
        """The tools worth another try: those never tried first, then those that failed least often."""
        left = [
            key
            for key in own
            if not memory.succeeded[key] and memory.tried[key] < PATIENCE and memory.out_of_reach[key] < _HOPELESS
        ]
        return sorted(left, key=lambda key: (is_plumbing(key.tool), memory.tried[key]))


def _dealt(keys: list[ToolKey]) -> list[tuple[ToolKey, ...]]:
    return [tuple(keys[at : at + FOCUS]) for at in range(0, len(keys), FOCUS)]


def party(keys: Iterable[ToolKey], focus: Sequence[ToolKey], memory: ValueMemory, most: int = 40) -> list[ToolKey]:
    """The tools that one episode works with: those it is about, and those that answered best so far to feed them.

    A server of hundreds of tools is not weighed as a whole at every step.
    """
    own = list(keys)
    if len(own) <= most:
        return own
    wanted = [key for key in own if key in set(focus)]
    rest = [key for key in own if key not in set(focus)]
    rest.sort(key=lambda key: (-min(memory.yielded[key], 1), memory.tried[key]))
    return wanted + rest[: most - len(wanted)]
