"""The reads of a session made before its first write, and again after each: what a write changes, and what it leaves, is seen.

A read, a write and the read again with another answer show that the write affects the read; with the same answer, three times,
that it does not (:mod:`firefly_mcp.state.evidence`). Without the first read a plan has to ask something of the write too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from firefly_agents.composing.scenario import Move
from firefly_mcp.types import ToolKey

MOST_WATCHED = 4
"""Reads that are made again after a write; the first of each tool come first."""


def watched(moves: Sequence[Move], writes: Callable[[ToolKey], bool]) -> tuple[Move, ...]:
    """The moves with their reads around each write.

    Args:
        moves: the writes and the reads after them.
        writes: whether a tool may change something.
    """
    watching = Watching(writes)
    for move in _from_the_start(moves, writes):
        watching.look(move)
    for at, move in enumerate(moves):
        watching.take(at, move)
        if writes(move.tool):
            watching.look_again()
    return tuple(watching.moves)


class Watching:
    """Moves put one behind another, and the reads among them that are made again."""

    def __init__(self, writes: Callable[[ToolKey], bool]) -> None:
        """Begin with none."""
        self.moves: list[Move] = []
        self._writes = writes
        self._reads: list[Move] = []
        self._places: dict[int, int] = {}

    def take(self, at: int, move: Move) -> None:
        """Put a move of the plan, the ``at``-th there, behind the others, unless it is a read that was just made."""
        shifted = replace(move, takes=tuple(replace(take, source=self._places[take.source]) for take in move.takes))
        for place in range(len(self.moves) - 1, -1, -1):
            if self._writes(self.moves[place].tool):
                break
            if _same(self.moves[place], shifted):
                self._places[at] = place
                return
        self._places[at] = len(self.moves)
        self.look(shifted) if not self._writes(move.tool) else self.moves.append(shifted)

    def look(self, move: Move) -> None:
        """Make a read."""
        self.moves.append(move)
        if not any(_same(move, read) for read in self._reads):
            self._reads.append(replace(move, vital=False))

    def look_again(self) -> None:
        """Make the reads again, one of each tool before others of the same."""
        tools: set[ToolKey] = set()
        first: list[Move] = []
        rest: list[Move] = []
        for move in self._reads:
            (rest if move.tool in tools else first).append(move)
            tools.add(move.tool)
        self.moves += [*first, *rest][:MOST_WATCHED]


def _from_the_start(moves: Sequence[Move], writes: Callable[[ToolKey], bool]) -> list[Move]:
    """The reads that can be made before anything was written: those that take nothing from an answer.

    What they name may not be there yet; that they say so is seen as well.
    """
    found: list[Move] = []
    for move in moves:
        if not writes(move.tool) and not move.takes and not any(_same(move, read) for read in found):
            found.append(replace(move, vital=False))
    return found[:MOST_WATCHED]


def _same(one: Move, other: Move) -> bool:
    return (one.tool, one.arguments, one.takes) == (other.tool, other.arguments, other.takes)
