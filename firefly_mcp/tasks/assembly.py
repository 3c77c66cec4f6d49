"""Assemble tasks: plans that values connect, alone or with further parts, so that every tool and server gets its turn.

What was composed of one session or of the pool is a *core*; a single free call is a *piece*. A core stands alone or takes in
pieces of other servers; pieces that belong to no core are asked together: the same tool for several things, or tools that have
nothing to do with each other. Whatever may be chosen, the tool that has been used least comes first.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.tasks.balance import SERVER_LEAST, SERVER_SHARE, TOOL_LEAST, TOOL_SHARE, limit
from firefly_mcp.tasks.compose import MAX_CALLS, Candidate, joined
from firefly_mcp.tasks.literals import words_needed
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import Call, ToolKey

FULL = 5
"""Parts are added up to so many calls."""
MOST_WORDS = 44
"""Of literals and goals together: a request has 60 words at most, and says which is which and what is asked."""
UNBOUNDED = 1 << 20
"""As a count: all tasks that there are."""
USES = 60
"""A core is asked at most so many times, each time for something else or with other parts."""
PIECE_USES = 40
SCARCE_USES = 8
"""So many times in a round a core of a scarce kind is asked."""
GIVEN_UP = 8
"""After so many failures a core, or a piece as the first of its task, is not tried again."""
TRIES = 12
HEADROOM = 1.4
"""A server or tool rests when it has so many times its share of what was made so far: more tasks make room for it, and what is
too much in the end is left out then."""
SETTLED = 200
"""After so many tasks it shows which servers are busy."""
SIDES = 12
TOOLS_OF_SIDE = 30

Draft = Callable[[Candidate], Task | None]


class Assembly:
    """Cores and pieces, and how often each tool and server was used so far."""

    def __init__(
        self,
        draft: Draft,
        fits: Callable[[Candidate], bool] = lambda candidate: True,
        scarce: Callable[[Candidate], bool] = lambda candidate: False,
    ) -> None:
        """Begin.

        Args:
            draft: makes the task of a candidate, if it can.
            fits: whether a candidate can be a task or a part of one at all.
            scarce: whether a candidate is of a kind of which there are too few, and is asked more often than others.
        """
        self._draft = draft
        self._fits = fits
        self._scarce = scarce
        self._often: set[int] = set()
        self._cores: list[Candidate] = []
        self._pieces: dict[ToolKey, list[Candidate]] = defaultdict(list)
        self._sides = 1
        self._made = 0
        self._expected = 0
        self._kinds = 1, 1
        self._by_side: dict[int, list[ToolKey]] = {}
        self._tools: Counter[ToolKey] = Counter()
        self._servers: Counter[str] = Counter()
        self._tries: Counter[ToolKey] = Counter()
        self._core_uses: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._piece_uses: Counter[int] = Counter()

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Take in closed plans: those of one call are pieces, others are cores."""
        for candidate in candidates:
            if not self._fits(candidate):
                continue
            if len(candidate.calls) == 1:
                self._pieces[candidate.outcome.key].append(candidate)
            elif len(candidate.calls) <= MAX_CALLS:
                if self._scarce(candidate):
                    self._often.add(len(self._cores))
                self._cores.append(candidate)

    def tasks(self, count: int) -> Iterator[Task]:
        """About ``count`` tasks, the least used tools first; fewer when nothing is left to ask."""
        for of_tool in self._pieces.values():
            of_tool.sort(key=lambda piece: _spread(piece.calls))
        keys = {*self._pieces, *(key for core in self._cores for key in _tools(core))}
        self._kinds = len(keys), len({key.server for key in keys})
        self._sides = max(1, min(SIDES, len(self._pieces) // TOOLS_OF_SIDE))
        self._by_side = defaultdict(list)
        for key, of_tool in self._pieces.items():
            self._by_side[self._side(of_tool[0])].append(key)
        self._expected = 0 if count >= UNBOUNDED else count // 8
        made = 0
        for uses in range(USES):
            before = made
            for task in self._round(uses):
                made += 1
                yield task
                if made >= count:
                    return
            if made == before:
                return

    def _round(self, uses: int) -> Iterator[Task]:
        """Every core once, then every piece once, with whatever goes with it."""
        for number in self._in_turn(uses):
            core = self._cores[number]
            if self._heavy(core) or self._failures[~number] >= GIVEN_UP:
                continue
            for again in range(SCARCE_USES if number in self._often else 1):
                task = next(filter(None, map(self._make, self._versions(core, uses + again))), None)
                if task is None:
                    self._failures[~number] += 1
                    break
                self._core_uses[number] += not again
                yield task
        yield from self._of_pieces(uses)

    def _in_turn(self, uses: int) -> list[int]:
        """The cores in the order of their rarest tool, one of each tool in turn."""
        supply = Counter(key for core in self._cores for key in _tools(core))
        groups: dict[ToolKey, list[int]] = defaultdict(list)
        for number, core in enumerate(self._cores):
            if self._core_uses[number] <= uses:
                groups[min(_tools(core), key=lambda key: (supply[key], key))].append(number)
        for numbers in groups.values():
            numbers.sort(key=lambda number: _spread(self._cores[number].calls))
        ranked = [
            (place, supply[key], number) for key, numbers in groups.items() for place, number in enumerate(numbers[:PER_GROUP])
        ]
        return [number for *_, number in sorted(ranked)]

    def _versions(self, core: Candidate, uses: int) -> Iterator[Candidate]:
        """The core with parts added, or alone; two calls alone are a small task, so that most get company."""
        turn = (_number(core.calls) + uses) % 8
        alone = turn < 1 if len(core.calls) == 2 else turn < 4 if len(core.calls) == 3 else len(core.calls) > 3 and turn < 7
        if len(core.calls) > 1 and alone:
            yield core
        for count in (1 if len(core.calls) > 2 else 1 + (turn % 4 > 0), 1):
            extended = self._extended(core, count)
            if extended is not None:
                yield extended
        if len(core.calls) > 1:
            yield core

    def _of_pieces(self, uses: int) -> Iterator[Task]:
        """Pieces asked together, each tool's first, then each tool's second …"""
        longest = max((len(of_tool) for of_tool in self._pieces.values()), default=0)
        for place in range(min(longest, PER_GROUP)):
            for key in sorted(self._pieces, key=lambda key: (self._tools[key], key)):
                of_tool = self._pieces[key]
                if place >= len(of_tool) or self._piece_uses[of_tool[place].outcome.id] > uses:
                    continue
                piece = of_tool[place]
                if self._heavy(piece) or self._failures[piece.outcome.id] >= GIVEN_UP:
                    continue
                twin = self._twin(of_tool, place) if _number(piece.calls) % 3 == 0 else None
                for candidate in self._gathered(piece, twin):
                    task = self._make(candidate)
                    if task is not None:
                        yield task
                        break
                else:
                    self._failures[piece.outcome.id] += 1

    def _gathered(self, piece: Candidate, twin: Candidate | None) -> Iterator[Candidate]:
        start = joined([piece, twin]) if twin is not None else None
        more = 1 + _number(piece.calls) % 2
        if start is not None:
            extended = self._extended(start, more)
            yield extended if extended is not None else start
        for count in (1 + more, 1):
            extended = self._extended(piece, count)
            if extended is not None:
                yield extended

    def _twin(self, of_tool: Sequence[Candidate], place: int) -> Candidate | None:
        """Another call of the same tool with the same arguments filled in otherwise."""
        own = of_tool[place].outcome
        shape = sorted(own.arguments)
        for shift in range(1, min(len(of_tool), TRIES)):
            other = of_tool[(place + shift) % len(of_tool)]
            if sorted(other.outcome.arguments) == shape and self._piece_uses[other.outcome.id] < PIECE_USES:
                return other
        return None

    def _extended(self, core: Candidate, count: int) -> Candidate | None:
        """The core with up to ``count`` pieces, the least used first; None when not even one goes with it."""
        grown = core
        words = words_needed(core.calls)
        heap = self._least_used(core)
        for _ in range(TRIES * count):
            if not heap or len(grown.calls) >= min(FULL, len(core.calls) + count):
                break
            *_, key = heapq.heappop(heap)
            piece = self._piece_of(key)
            if piece is None or self._heavy(piece):
                continue
            more = words_needed(piece.calls)
            together = joined([grown, piece]) if words + more <= MOST_WORDS else None
            if together is not None:
                grown, words = together, words + more
        return None if grown is core else grown

    def _side(self, candidate: Candidate) -> int:
        """Parts are joined only on their own side: tasks of different sides share neither an answering call nor a sub-DAG, so
        that a set can be divided between training and test."""
        what = [call.key for call in candidate.calls] if candidate.changes else [candidate.outcome.key]
        return int(hash_bytes("".join(map(str, what)).encode())[-8:], 16) % self._sides

    def _heavy(self, candidate: Candidate) -> bool:
        """Whether a server or tool of it has its share of the set already; with more tasks it may come in again."""
        most = limit(TOOL_SHARE, TOOL_LEAST, self._kinds[0], self._whole)
        if any(self._tools[key] >= most for key in _tools(candidate)):
            return True
        return any(self._heavy_server(server) for server in candidate.servers)

    def _heavy_server(self, server: str) -> bool:
        return self._servers[server] >= limit(SERVER_SHARE, SERVER_LEAST, self._kinds[1], self._whole)

    @property
    def _whole(self) -> int:
        """Of how many tasks shares are counted for now."""
        return int(HEADROOM * max(self._made, self._expected))

    def _least_used(self, core: Candidate) -> list[tuple[int, int, int, int, ToolKey]]:
        """The tools whose pieces may be added, as a heap.

        A task counts for each of its servers. One of a busy server is mostly filled up from the same server, else from a quiet
        one, and a task of quiet servers takes in no busy one: more tasks then keep within the servers' shares.
        """
        seed = _number(core.calls) + self._made
        own, tools = core.servers, _tools(core)
        busy = any(self._busy(server) for server in own)
        alone = busy and seed % 5 < 3
        found = []
        for place, key in enumerate(self._by_side[self._side(core)]):
            if key in tools:
                continue
            if key.server in own:
                rank = 0 if alone else 2
            elif self._busy(key.server):
                if busy or self._made > SETTLED:
                    continue
                rank = 1
            else:
                rank = 1 if alone else 0
            used = self._tools[key] + self._tries[key] // 2
            found.append((rank, used, self._servers[key.server], (seed * 31 + place * 7919) % 10007, key))
        heapq.heapify(found)
        return found

    def _busy(self, server: str) -> bool:
        """Whether a server is on the way to its share."""
        return 2 * self._servers[server] >= limit(SERVER_SHARE, SERVER_LEAST, self._kinds[1], self._whole)

    def _piece_of(self, key: ToolKey) -> Candidate | None:
        """The piece of a tool that was used least."""
        best = min(self._pieces[key], key=lambda piece: self._piece_uses[piece.outcome.id])
        return best if self._piece_uses[best.outcome.id] < PIECE_USES else None

    def _make(self, candidate: Candidate) -> Task | None:
        task = self._draft(candidate)
        for call in candidate.calls:
            self._piece_uses[call.id] += 1
        self._tries.update(_tools(candidate))
        if task is not None:
            self._made += 1
            self._tools.update(_tools(candidate))
            self._servers.update(candidate.servers)
        return task


PER_GROUP = 60
"""In one round so many cores and pieces of a tool are asked."""


def _tools(candidate: Candidate) -> Collection[ToolKey]:
    return {call.key for call in candidate.calls}


def _spread(calls: Sequence[Call]) -> str:
    return hash_bytes("".join(f"{call.key}{call.args_hash}" for call in calls).encode())


def _number(calls: Sequence[Call]) -> int:
    return int(_spread(calls)[-8:], 16)
