"""The grounds that many tasks are judged on: one recording's replay, and what is worked out of it once for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import informative, result_text, result_view, value_key, walk
from firefly_mcp.observe.values import Key
from firefly_mcp.replay import Replay
from firefly_mcp.replay.index import Candidate
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store import queries
from firefly_mcp.types import Tool, ToolKey

CHOOSABLE_BELOW = 0.15
"""Arguments that tell less than this (``true``, ``10``, ``asc``) anyone may choose without being told."""
_KEPT = 4096


class Opening(NamedTuple):
    """A recorded call that could be the first of a session, and what one must know to make it."""

    candidate: Candidate
    needs: frozenset[Key]


class Shown(NamedTuple):
    """What a result shows: the keys of its values, or its text where it is prose."""

    keys: frozenset[Key]
    marks: frozenset[str]
    prose: str

    def holds(self, value: Any) -> bool:
        """Whether the value stands in the result, the number 12 and the text ``12`` alike."""
        if self.prose:
            from firefly_mcp.tasks.gates.wording import tells  # it imports what imports this

            return tells(self.prose, value)
        if value is None or isinstance(value, bool):
            return str(value) in self.marks
        if isinstance(value, dict | list):
            members = [item for _, item in walk(value) if not isinstance(item, dict | list)]
            return bool(members) and all(self.holds(member) for member in members)
        key = value_key(value)
        return key is not None and key in self.keys


class Grounds:
    """What the gates ask of a recording beside the calls of the plan itself."""

    def __init__(self, replay: Replay) -> None:
        """Over a replay of exact matches in the strict state. Nothing is read before it is asked for."""
        self.replay = replay
        self._shown: dict[str, Shown] = {}
        self._openings: dict[ToolKey, list[Opening]] = {}

    def offered(self, names: list[str]) -> Iterator[Tool]:
        """The tools behind exposed names; a name that the recording does not know is passed over."""
        for name in names:
            key = self._names.key(name)
            if key is not None:
                yield self.replay.index.tools[key]

    def edge_score(self, source: ToolKey, target: ToolKey, argument: str) -> float:
        """How good the tool graph's edge is into a top-level argument; 0 where there is none."""
        return self._edges.get((source, target, argument), 0.0)

    def shown(self, result: JsonObject, digest: str | None) -> Shown:
        """The values of a result; ``digest`` is its hash, by which it is known again."""
        known = None if digest is None else self._shown.get(digest)
        if known is None:
            known = _shown(result)
            if digest is not None:
                if len(self._shown) >= _KEPT:
                    self._shown.clear()
                self._shown[digest] = known
        return known

    def shown_by(self, digest: str) -> Shown:
        """The values of a stored result."""
        known = self._shown.get(digest)
        return known if known is not None else self.shown(self.replay.recording.load_result(digest), digest)

    def openings(self, key: ToolKey) -> list[Opening]:
        """The answered calls of a tool that were recorded in the state in which a session begins, each once."""
        known = self._openings.get(key)
        if known is None:
            start = self.replay.session().state_key(*key)
            known = []
            for args_hash, needs in self._asked.get(key, {}).items():
                for candidate in self.replay.index.exact(key, args_hash):
                    if candidate.state_key == start and candidate.result_hash is not None:
                        known.append(Opening(candidate, needs))
                        break
            self._openings[key] = known
        return known

    @cached_property
    def _names(self) -> ExposedNames:
        tools = self.replay.index.tools
        return ExposedNames(tools, single=len({key.server for key in tools}) == 1)

    @cached_property
    def _edges(self) -> dict[tuple[ToolKey, ToolKey, str], float]:
        from firefly_mcp.graph.store import load_graph  # slow to load, and hardly ever needed

        return {edge.key: edge.score for edge in load_graph(self.replay.recording).edges}

    @cached_property
    def _asked(self) -> dict[ToolKey, dict[str, frozenset[Key]]]:
        """For each tool the calls that were made of it, by hash, and the values that each needs."""
        asked: dict[ToolKey, dict[str, frozenset[Key]]] = defaultdict(dict)
        for call in queries.calls(self.replay.recording, method="tools/call", evidence_only=True, results=False):
            if call.tool is not None and call.args_hash not in asked[call.key]:
                asked[call.key][call.args_hash] = needs(call.arguments)
        return asked


def needs(arguments: JsonObject) -> frozenset[Key]:
    """The keys of the values that one must know to make a call."""
    keys = (value_key(value) for _, value in walk(arguments) if informative(value) >= CHOOSABLE_BELOW and _scalar(value))
    return frozenset(key for key in keys if key is not None)


def _shown(result: JsonObject) -> Shown:
    view = result_view(result)
    if view.kind == "text":
        return Shown(frozenset(), frozenset(), result_text(result))
    keys, marks = set(), set()
    for _, value in walk(view.value):
        if value is None or isinstance(value, bool):
            marks.add(str(value))
        elif _scalar(value) and (key := value_key(value)) is not None:
            keys.add(key)
    return Shown(frozenset(keys), frozenset(marks), "")


def _scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)
