"""The ladder of matches: each rung finds the recorded answers that a request may have, the surest rung first.

A rung gives its candidates in groups, the best group first; within a group it does not choose. Which candidate of a group is
served, and whether its state allows that, is decided in :mod:`firefly_mcp.replay.engine`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay.index import Candidate, ReplayIndex
from firefly_mcp.replay.policy import ReplayPolicy
from firefly_mcp.types import MatchKind, ToolKey, goes_on


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is to be answered.

    Attributes:
        key: the tool, or the method in its place.
        method: the JSON-RPC method.
        forms: its params as recorded sessions may have written them, the least redacted first.
        args_hash: canonical hash of the request as it is logged.
    """

    key: ToolKey
    method: str
    forms: Sequence[JsonObject]
    args_hash: str

    @property
    def is_tool(self) -> bool:
        """Whether a tool is called; only its arguments have a schema to be normalized by."""
        return self.method == "tools/call"

    def arguments(self) -> Iterator[JsonObject]:
        """The tool's arguments in each form that they alone tell apart from others."""
        for form in self.forms:
            arguments = form.get("arguments") or {}
            if isinstance(arguments, dict) and not goes_on(form):
                yield arguments


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates among which a rung does not choose, and how far the request is from them (0 to 1)."""

    candidates: Sequence[Candidate]
    distance: float = 0.0


class Rung(Protocol):
    """One rung of the ladder."""

    @property
    def kind(self) -> MatchKind:
        """What an answer found here is called."""

    def groups(self, asked: Asked) -> Iterable[Group]:
        """The candidates in the order in which they are to be tried; none when the request is not recorded so."""


class Neighbours(Protocol):
    """What ranks recorded calls by the free texts among their arguments: :mod:`firefly_mcp.replay.semantic`."""

    def candidates(self, key: ToolKey, arguments: JsonObject) -> Sequence[tuple[Candidate, float]]:
        """Recorded calls of equal identity within the tool's threshold, with their distances, nearest first."""


class ExactRung:
    """The canonical hash matches."""

    kind = MatchKind.EXACT

    def __init__(self, index: ReplayIndex) -> None:
        """Look up in ``index``."""
        self._index = index

    def groups(self, asked: Asked) -> Iterator[Group]:
        """One group for each form of the request that was recorded."""
        for number, form in enumerate(asked.forms):
            own = number == 0 and len(asked.forms) == 1
            found = self._index.exact(asked.key, asked.args_hash if own else call_hash(asked.method, form))
            if found:
                yield Group(found)


class NormalizedRung:
    """The hash of the arguments in normal form matches."""

    kind = MatchKind.NORMALIZED

    def __init__(self, index: ReplayIndex) -> None:
        """Look up in ``index``."""
        self._index = index

    def groups(self, asked: Asked) -> Iterator[Group]:
        """One group for each form of the request that was recorded."""
        if asked.is_tool:
            for arguments in asked.arguments():
                found = self._index.normalized(asked.key, self._index.normalized_hash(asked.key, arguments))
                if found:
                    yield Group(found)


class SemanticRung:
    """The identifying arguments match, and the free texts among the others are near enough."""

    kind = MatchKind.SEMANTIC

    def __init__(self, neighbours: Neighbours) -> None:
        """Ask ``neighbours`` for the order."""
        self._neighbours = neighbours

    def groups(self, asked: Asked) -> Iterator[Group]:
        """One group for each distance, the nearest first."""
        if asked.is_tool:
            for arguments in asked.arguments():
                near = self._neighbours.candidates(asked.key, arguments)
                for distance, found in itertools.groupby(near, key=itemgetter(1)):
                    yield Group([candidate for candidate, _ in found], distance)


def ladder(index: ReplayIndex, policy: ReplayPolicy, neighbours: Neighbours | None = None) -> tuple[Rung, ...]:
    """The rungs that a policy allows, in order."""
    rungs: list[Rung] = [ExactRung(index), NormalizedRung(index)]
    if neighbours is not None:
        rungs.append(SemanticRung(neighbours))
    return tuple(rung for rung in rungs if policy.allows(rung.kind))
