"""The index of a recording for replay: every answered call by its hashes, with the state in which it was answered.

It lives in the recording (see :mod:`firefly_mcp.replay.indexing`) and is brought up to date when it is opened; what is looked
up is read when it is asked for. Replayed calls are never part of it. One opened index does not change: calls that are recorded
later are not seen, and if another process makes the stored one anew (with other rules, say), this one builds a copy of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.tools import ToolMatching
from firefly_mcp.replay.additions import Additions
from firefly_mcp.replay.candidate import Candidate, End
from firefly_mcp.replay.evidence import Evidence
from firefly_mcp.replay.index_pass import ERROR
from firefly_mcp.replay.indexing import GENERATION, Indexer
from firefly_mcp.replay.past import history_of
from firefly_mcp.replay.rules import ReplayRules
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, origin_key
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.schema import REPLAY_INDEX
from firefly_mcp.store.transaction import StoreErrors
from firefly_mcp.types import Call, Connection, Session, ToolKey, goes_on

__all__ = ["Candidate", "End", "ReplayIndex"]

_LOOK_UPS_KEPT = 8192
_BY = {
    name: f"SELECT call_id, session_id, position, state, outcome, args FROM candidate"
    f" WHERE {name} = ?1 AND tool_id = ?2 AND call_id <= ?3 ORDER BY call_id"
    for name in ("args", "normalized", "identity")
}
_AT_HAND = 200_000
"""So many recorded answers are held in memory at most."""
_EACH = "SELECT args, tool_id, call_id, session_id, position, state, outcome FROM candidate WHERE call_id <= ? ORDER BY call_id"
_GENERATION = f"SELECT value FROM info WHERE key = '{GENERATION}'"
_TRACE = (
    "SELECT c.args, c.outcome FROM candidate c JOIN candidate_tool t ON t.id = c.tool_id"
    " WHERE c.session_id = ? AND c.position >= ? AND c.position < ? AND t.server_id = ? AND c.call_id <= ? ORDER BY c.position"
)


class ReplayIndex:
    """Look-up tables over the answered calls of a recording."""

    def __init__(
        self,
        recording: Recording,
        servers: Sequence[str] = (),
        relation: EffectRelation | None = None,
        rules: ReplayRules | None = None,
    ) -> None:
        """Open the index, brought up to date.

        Args:
            recording: open. If it cannot be written, or goes by a relation of the caller, the index is built in memory.
            servers: narrow it to these; all when empty.
            relation: an effect relation to go by; that of the recording and the rules when None.
            rules: the user's rules.

        Raises:
            StoreError: the recording is damaged.
        """
        self.rules = rules
        self.recording = recording
        self._servers = frozenset(servers)
        self._given = relation
        self.take_in()

    def take_in(self) -> None:
        """See all that is recorded by now: also what came after the index was opened."""
        self._evidence = Evidence(self.recording, self.rules)
        self.tools = {key: tool for key, tool in self._evidence.tools.items() if self._serves(key.server)}
        self.sessions: dict[int, Session] = self._evidence.sessions
        self.connections: dict[tuple[int, str], Connection] = {
            place: link for place, link in self._evidence.connections.items() if self._serves(place[1])
        }
        self._horizon = self._last_call()
        self._found: dict[tuple[str, int, bytes], tuple[Candidate, ...]] = {}
        self._at_hand: dict[bytes, list[tuple[Any, ...]]] | None = None
        self.db, indexer = self._opened()
        self.relation = indexer.relation
        self._places = [place for place in indexer.places if self._serves(place[1])]
        self._server_ids = {name: number for number, name in indexer.servers.items()}
        self._know_tools(indexer)
        self._settled = 0
        if not self._own:
            self.recording.reader.release()  # an older snapshot does not show what was just indexed
        self._added = Additions(self._begin, self._hashes)

    def keep_at_hand(self) -> None:
        """Hold all exact look-ups in memory, if they are not too many: a third of a kilobyte each, and ten times as fast."""
        self._settle()
        count = self._rows("SELECT count(*) FROM (SELECT 1 FROM candidate LIMIT ?)", (_AT_HAND + 1,))[0][0]
        if not 0 < count <= _AT_HAND:
            return
        keys = {number: key for key, number in self._ids.items()}
        held: dict[bytes, list[tuple[Any, ...]]] = {}
        for args, tool, *row in self._rows(_EACH, (self._horizon,)):
            if tool in keys:
                held.setdefault(args, []).append((keys[tool], *row))
        self._at_hand = held

    def add(self, call: Call) -> None:
        """Take in a call that was recorded since, after those of its session that came before it."""
        if (call.session, call.server) not in self.connections:
            self.sessions |= {s.id: s for s in queries.sessions(self.recording, evidence_only=True)}
            for link in queries.connections(self.recording, call.session):
                self.connections[(link.session, link.server)] = link
        self._added.add(call)

    @property
    def empty(self) -> bool:
        """Whether there is nothing that could answer a request."""
        return not (self._ids or self._added)

    def exact(self, key: ToolKey, args_hash: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this canonical hash, in order."""
        return self._look_up("args", key, args_hash)

    def normalized(self, key: ToolKey, normalized: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this normalized hash, in order."""
        return self._look_up("normalized", key, normalized)

    def identity(self, key: ToolKey, identity: str) -> Sequence[Candidate]:
        """The recorded answers of calls with this identity hash, in order."""
        return self._look_up("identity", key, identity)

    def trace(self, session: int, server: str, first: int = 0, end: int = 1 << 62) -> list[tuple[str, str]]:
        """The ``(args_hash, outcome)`` of the answered calls of a session on a server, from place ``first`` to ``end``."""
        added = self._added.trace((session, server))
        if added is not None:
            return list(added[first:end])
        self._settle()
        values = (session, first, end, self._server_ids[server], self._horizon)
        rows = self._rows(_TRACE, values)
        return [(_hash(args), _outcome(outcome)) for args, outcome in rows]

    def end(self, session: int, server: str) -> End | None:
        """Where a session left a server; None when it did not call it."""
        place = (session, server)
        history = self._added.history(place) or history_of(self._evidence, self.relation, place)
        return None if history is None else End(history.origin, tuple(history.writers), history.totals)

    def knows(self, method: str) -> bool:
        """Whether any request of this method was recorded with its answer."""
        return any(key.tool == method for key in self._ids) or self._added.knows(method)

    def places(self, server: str) -> list[int]:
        """The sessions that called a server, in order."""
        return [session for session, name in (*self._places, *self._added.places) if name == server]

    def origin_of(self, session: int, server: str) -> str:
        """The origin of a session's state on a server, as it enters state keys."""
        link = self.connections.get((session, server))
        return origin_key(link.origin if link else "unknown", self.sessions[session].key)

    @property
    def matching(self) -> ToolMatching:
        """How the calls of each tool are compared."""
        return self._evidence.hashes

    @property
    def generation(self) -> str:
        """Changes whenever what the index said before is no longer so."""
        return self._generation

    def normalized_hash(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the arguments in the normal form of the tool's schema."""
        return self._evidence.hashes.normalized(key, arguments)

    def identity_hash(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the identifying arguments."""
        return self._evidence.hashes.identity(key, arguments)

    def _begin(self, place: tuple[int, str]) -> History:
        return History(self.relation, self.origin_of(*place))

    def _hashes(self, call: Call) -> list[tuple[str, str]]:
        found = [("args", call.args_hash)]
        if call.tool is not None and not goes_on(call.params):
            normalized, identity, _ = self._evidence.hashes.all(call.key, call.arguments)
            found += [("normalized", normalized), ("identity", identity)]
        return found

    def _serves(self, server: str) -> bool:
        return not self._servers or server in self._servers

    def _know_tools(self, indexer: Indexer) -> None:
        self._ids = {key: number for key, number in indexer.tool_ids().items() if self._serves(key.server)}
        self._generation = self._generation_in(self.db.execute(_GENERATION).fetchall())

    def release(self) -> None:
        """Let go of the snapshot that look-ups keep; for when there is nothing to look up for a while."""
        self.recording.reader.release()

    def _opened(self) -> tuple[apsw.Connection, Indexer]:
        db = self.recording.db
        with StoreErrors(self.recording.path):
            if self._given is None:
                indexer = Indexer(self._evidence, db)
                if indexer.fresh and not db.in_transaction:
                    return db, indexer
                if not (db.in_transaction or db.readonly("main")):
                    indexer.refresh()
                    return db, indexer
            return self._private(self._given)

    def _private(self, relation: EffectRelation | None) -> tuple[apsw.Connection, Indexer]:
        """An index of our own, in memory."""
        db = apsw.Connection(":memory:")
        db.execute("CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;" + REPLAY_INDEX)
        indexer = Indexer(self._evidence, db, relation, self._horizon)
        indexer.refresh()
        return db, indexer

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        """Ask the index; :meth:`_settle` first."""
        return self.db.execute(sql, values).fetchall() if self._own else self.recording.reader.rows(sql, values)

    def _settle(self) -> None:
        """Move to an index of our own if another process has made the stored one anew."""
        if self._own or self.recording.reader.snapshot() == self._settled:
            return
        self._settled = self.recording.reader.snapshot()
        if self._generation_in(self.recording.reader.rows(_GENERATION)) != self._generation:
            self.db, indexer = self._private(self.relation)
            self._know_tools(indexer)

    @property
    def _own(self) -> bool:
        return self.db is not self.recording.db

    def _look_up(self, name: str, key: ToolKey, digest: str) -> Sequence[Candidate]:
        found = self._stored(name, key, digest)
        return (*found, *self._added.look_up(name, key, digest)) if self._added else found

    def _stored(self, name: str, key: ToolKey, digest: str) -> Sequence[Candidate]:
        if name == "args" and self._at_hand is not None:
            wanted = bytes.fromhex(digest[-32:])
            held = self._at_hand.get(wanted)
            return () if held is None else [_candidate(row, wanted) for owner, *row in held if owner == key]
        self._settle()
        number = self._ids.get(key)
        if number is None:
            return ()
        wanted = bytes.fromhex(digest[-32:])
        known = self._found.get((name, number, wanted))
        if known is not None:
            return known
        rows = self._rows(_BY[name], (wanted, number, self._horizon))
        found = tuple([_candidate(row, args) for *row, args in rows])
        if len(self._found) >= _LOOK_UPS_KEPT:
            self._found.clear()
        self._found[(name, number, wanted)] = found
        return found

    def _generation_in(self, rows: list[Any]) -> str:
        return str(rows[0][0]) if rows else ""

    def _last_call(self) -> int:
        return int(str(self.recording.db.execute("SELECT coalesce(max(id), 0) FROM call").fetchall()[0][0]))


def _candidate(row: Sequence[Any], args: bytes) -> Candidate:
    call, session, position, state, outcome = row
    return Candidate(call, session, position, _hash(state) if state else "", _outcome(outcome), _hash(args))


def _hash(data: bytes) -> str:
    return "blake2b:" + data.hex()


def _outcome(data: bytes) -> str:
    return "error:blake2b:" + data[1:].hex() if data[:1] == ERROR and len(data) > 16 else "blake2b:" + data.hex()
