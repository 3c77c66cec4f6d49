"""Read recorded sessions into the replay index: each answered call with its hashes and the state in which it was made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import apsw

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import loads, text
from firefly_mcp.replay.evidence import Evidence, Place, arguments_of, packed
from firefly_mcp.replay.hash_again import tool_rows
from firefly_mcp.replay.past import earlier_place, history_of, realm_origin, refused_call
from firefly_mcp.state.cursors import LOOKED_AT, cursors_of, may_hold_cursor, paged
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, outcome_of
from firefly_mcp.store.transaction import Transaction
from firefly_mcp.types import CallStatus, ToolKey, goes_on

CHUNK = 5000
"""Calls read and written at a time: other processes may record in between."""
ERROR = b"e"
"""Before the hash of a JSON-RPC error, where else the hash of a result stands."""
_CACHED_HASHES = 20_000


class IndexPass:
    """One pass over the calls of the sessions that are to be read again, in order of arrival."""

    def __init__(
        self, evidence: Evidence, db: apsw.Connection, relation: EffectRelation, servers: Mapping[int, str], stale: set[Place]
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            evidence: of the recording.
            db: where the index is.
            relation: what may affect what.
            servers: their names by their numbers.
            stale: the sessions on servers that are to be read.
        """
        self._evidence = evidence
        self._recording = evidence.recording
        self._db = db
        self._relation = relation
        self._servers = servers
        self._stale = stale
        self._histories: dict[tuple[int, tuple[str, ...]], History] = {}
        self._positions: dict[Place, int] = {}
        self._answered: dict[Place, deque[tuple[str, str]]] = {}
        self._tools = {key: number for key, (number, _) in tool_rows(db, servers).items()}
        self._hashes: dict[tuple[ToolKey, str], tuple[bytes, bytes, tuple[tuple[str, str], ...]]] = {}

    def run(self, horizon: int | None) -> None:
        """Write the candidates of all calls; of those only whose id is not above ``horizon``, if one is given."""
        sessions = sorted({session for session, _ in self._stale})
        marks = text(sessions)
        first, last = self._bounds(marks, horizon)
        while True:
            rows = self._recording.db.execute(
                "SELECT id, session_id, server_id, method, tool, params, args_hash, result_hash, error, is_error, status"
                " FROM call WHERE id >= ? AND id <= ? AND session_id IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
                (first, last, marks, CHUNK),
            ).fetchall()
            self._take(rows)
            if len(rows) < CHUNK:
                break
            first = int(str(rows[-1][0])) + 1

    def _bounds(self, sessions: str, horizon: int | None) -> tuple[int, int]:
        rows = self._recording.db.execute(
            "SELECT min(id), max(id) FROM call WHERE session_id IN (SELECT value FROM json_each(?))", (sessions,)
        ).fetchall()
        if rows[0][0] is None:
            return 0, -1
        last = int(str(rows[0][1]))
        return int(str(rows[0][0])), last if horizon is None else min(last, horizon)

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        servers, stale = self._servers, self._stale
        candidates: list[tuple[Any, ...]] = []
        texts: list[tuple[int, str, str]] = []
        for number, session, server_id, method, tool, params, args_hash, result_hash, error, is_error, status in rows:
            server = servers[server_id]
            place = (session, server)
            if place not in stale:
                continue
            history = self._history(place)
            key = ToolKey(server, tool if tool is not None else method)
            if status == CallStatus.DONE:
                state = history.state_key(key)
                answered = self._answered.setdefault(place, deque(maxlen=LOOKED_AT))
                if state and may_hold_cursor(params):
                    state = paged(self._recording, state, cursors_of(loads(params)), reversed(answered))
                answered.append((args_hash, result_hash or ""))
                normalized = identity = None
                if tool is not None and (hashed := self._hashed(key, args_hash, params)) is not None:
                    normalized, identity, found = hashed
                    texts += [(number, where, digest) for where, digest in found]
                position = self._positions.get(place, 0)
                self._positions[place] = position + 1
                outcome = ERROR + packed(hash_json(loads(error or "null"))) if result_hash is None else packed(result_hash)
                candidates.append(
                    (
                        number,
                        self._tool(key, server_id),
                        session,
                        position,
                        packed(args_hash),
                        normalized,
                        identity,
                        packed(state) if state else b"",
                        outcome,
                    )
                )
            refused = bool(is_error) and self._relation.writes(key) and refused_call(self._recording, result_hash, error)
            given = outcome_of(result_hash, loads(error) if error else None)
            history.append(key, args_hash, given, rejected=refused)
        with Transaction(self._recording.path, self._db):
            self._db.executemany("DELETE FROM candidate_text WHERE call_id = ?", [(row[0],) for row in candidates])
            self._db.executemany("INSERT OR REPLACE INTO candidate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", candidates)
            self._db.executemany("INSERT OR REPLACE INTO candidate_text VALUES (?, ?, ?)", texts)

    def _hashed(self, key: ToolKey, args_hash: str, stored: str) -> tuple[bytes, bytes, tuple[tuple[str, str], ...]] | None:
        """The hashes of a call's arguments; None for a call that its arguments do not tell apart from others."""
        known = self._hashes.get((key, args_hash))
        if known is None:
            params = loads(stored)
            if goes_on(params):
                return None
            normalized, identity, texts = self._evidence.hashes.all(key, arguments_of(params))
            known = packed(normalized), packed(identity), texts
            if len(self._hashes) < _CACHED_HASHES:
                self._hashes[(key, args_hash)] = known
        return known

    def _tool(self, key: ToolKey, server_id: int) -> int:
        number = self._tools.get(key)
        if number is None:
            with Transaction(self._recording.path, self._db):
                stamp = self._evidence.hashes.stamp(key)
                self._db.execute(
                    "INSERT OR IGNORE INTO candidate_tool (server_id, name, stamp) VALUES (?, ?, ?)",
                    (server_id, key.tool, stamp),
                )
            rows = self._db.execute("SELECT id FROM candidate_tool WHERE server_id = ? AND name = ?", (server_id, key.tool))
            number = self._tools[key] = int(str(rows.fetchall()[0][0]))
        return number

    def _history(self, place: Place) -> History:
        realm = (place[0], self._relation.realm(place[1]))
        history = self._histories.get(realm)
        if history is None:
            history = self._histories[realm] = self._begun(place)
        return history

    def _begun(self, place: Place) -> History:
        relation = self._relation
        before = earlier_place(self._evidence, relation, place)
        if before is not None:
            own = self._histories.get((before[0], relation.realm(before[1])))
            end = own or history_of(self._evidence, relation, before, remember=False)
            if end is not None:
                return History(relation, end.origin, (), end.totals, remember=False)
        return History(relation, realm_origin(self._evidence, relation, place), remember=False)
