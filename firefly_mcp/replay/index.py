"""The index of a recording for replay: every answered call by its canonical and its normalized hash, with its state key.

Built once when replay starts; replayed calls are never part of it. Answers stay in the file and are read when served.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.tools import ToolMatching
from firefly_mcp.replay.rules import ReplayRules
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, Writer, origin_key
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, CallStatus, Connection, Session, ToolKey


class Candidate(NamedTuple):
    """One recorded answer that could be served."""

    call: int
    session: int
    position: int
    state_key: str
    outcome: str
    """Hash of the result, or the text of the JSON-RPC error."""
    args_hash: str


class End(NamedTuple):
    """Where a recorded session left a server: what a session that continues it begins with."""

    origin: str
    writers: tuple[Writer, ...]


class ReplayIndex:
    """Look-up tables over the answered calls of a recording."""

    def __init__(
        self,
        recording: Recording,
        servers: Sequence[str] = (),
        relation: EffectRelation | None = None,
        rules: ReplayRules | None = None,
    ) -> None:
        """Read the recording; ``servers`` narrows it to some, and ``rules`` are the user's."""
        self._recording = recording
        self.rules = rules
        self.tools = {key: tool for key, tool in queries.tool_map(recording).items() if not servers or key.server in servers}
        self.matching = ToolMatching(recording, self.tools, rules.tool if rules else None)
        self.relation = relation or learn_effects(
            recording, rules.declared(self.tools) if rules else None, rules.volatile(self.tools) if rules else None
        )
        self._exact: dict[tuple[ToolKey, str], list[Candidate]] = defaultdict(list)
        self._normalized: dict[tuple[ToolKey, str], list[Candidate]] = defaultdict(list)
        self._identity: dict[tuple[ToolKey, str], list[Candidate]] = defaultdict(list)
        self._traces: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)
        """By (session, server): the ``(args_hash, outcome)`` of its calls in order."""
        self._ends: dict[tuple[int, str], End] = {}
        self.sessions: dict[int, Session] = {s.id: s for s in queries.sessions(recording, evidence_only=True)}
        self.connections: dict[tuple[int, str], Connection] = {
            (link.session, link.server): link
            for link in queries.connections(recording)
            if link.session in self.sessions and (not servers or link.server in servers)
        }
        self._histories: dict[tuple[int, str], History] = {}
        for call in queries.calls(recording, evidence_only=True, results=False):
            if not servers or call.server in servers:
                self._add(recording, call)
        for place, history in self._histories.items():
            self._ends[place] = End(history.origin, tuple(history.writers))

    @property
    def empty(self) -> bool:
        """Whether there is nothing that could answer a request."""
        return not self._exact

    def exact(self, key: ToolKey, args_hash: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this canonical hash, in order."""
        return self._exact.get((key, args_hash), ())

    def normalized(self, key: ToolKey, normalized: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this normalized hash, in order."""
        return self._normalized.get((key, normalized), ())

    def identity(self, key: ToolKey, identity: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this identity hash, in order."""
        return self._identity.get((key, identity), ())

    def trace(self, session: int, server: str) -> Sequence[tuple[str, str]]:
        """The ``(args_hash, outcome)`` of the answered calls of a session on a server, in order."""
        return self._traces.get((session, server), ())

    def end(self, session: int, server: str) -> End | None:
        """Where a session left a server; None when it did not call it."""
        return self._ends.get((session, server))

    def knows(self, method: str) -> bool:
        """Whether any request of this method was recorded with its answer."""
        return any(key.tool == method for key, _ in self._exact)

    def places(self, server: str) -> list[int]:
        """The sessions that called a server, in order."""
        return [session for session, name in self._traces if name == server]

    def origin_of(self, session: int, server: str) -> str:
        """The origin of a session's state on a server, as it enters state keys."""
        link = self.connections.get((session, server))
        return origin_key(link.origin if link else "unknown", self.sessions[session].key)

    def normalized_hash(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the arguments in the normal form of the tool's schema."""
        return self.matching.hashes(key, arguments)[0]

    def identity_hash(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the identifying arguments."""
        return self.matching.hashes(key, arguments)[1]

    def add(self, call: Call) -> None:
        """Take in a call that was recorded since, after those of its session that came before it."""
        if (call.session, call.server) not in self.connections:
            self.sessions |= {s.id: s for s in queries.sessions(self._recording, evidence_only=True)}
            for link in queries.connections(self._recording, call.session):
                self.connections[(link.session, link.server)] = link
        self._add(self._recording, call)
        history = self._histories[(call.session, call.server)]
        self._ends[(call.session, call.server)] = End(history.origin, tuple(history.writers))

    def _add(self, recording: Recording, call: Call) -> None:
        place = (call.session, call.server)
        history = self._histories.get(place)
        if history is None:
            history = self._histories[place] = self._begin(place)
        trace = self._traces[place]
        if call.status == CallStatus.DONE:
            outcome = call.result_hash or str(call.error)
            found = Candidate(call.id, call.session, len(trace), history.state_key(call.key), outcome, call.args_hash)
            self._exact[(call.key, call.args_hash)].append(found)
            if call.tool is not None:
                normalized, identity = self.matching.hashes(call.key, call.arguments)
                self._normalized[(call.key, normalized)].append(found)
                self._identity[(call.key, identity)].append(found)
            trace.append((call.args_hash, outcome))
        refused = False
        if call.is_error and self.relation.writes(call.key):
            result = recording.load_result(call.result_hash) if call.result_hash else None
            refused = rejected(result, call.error)
        history.append(call.key, call.args_hash, call.result_hash, rejected=refused, label=f"{call.key} (call {call.id})")

    def _begin(self, place: tuple[int, str]) -> History:
        link = self.connections.get(place)
        if link is not None and link.origin.startswith("continues("):
            earlier = link.origin[len("continues(") : -1]
            for session in self.sessions.values():
                if earlier in (session.key, str(session.id)) and (session.id, place[1]) in self._histories:
                    before = self._histories[(session.id, place[1])]
                    return History(self.relation, before.origin, before.writers)
        return History(self.relation, self.origin_of(*place))
