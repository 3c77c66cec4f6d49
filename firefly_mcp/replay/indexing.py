"""Bring the replay index up to date: what has changed since it was written is indexed again, and nothing else.

The index lives in the recording, so that replay starts at once however large the recording is. Each part carries a stamp of
what it rests on. A session is read again when it got calls or answers, when its origin changed, or when the effect relation of
one of its servers did; the calls of a tool are hashed again when its input schema or the user's rules for it changed.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apsw

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.match.tools import ToolMatching
from firefly_mcp.replay.learned import LearnedEffects
from firefly_mcp.replay.rules import ReplayRules
from firefly_mcp.state.cursors import LOOKED_AT, cursors_of, may_hold_cursor, paged
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, origin_key, outcome_of
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.transaction import StoreErrors, Transaction
from firefly_mcp.types import CallStatus, Connection, Session, ToolKey, goes_on

GENERATION = "replay_index"
"""The key in ``info`` whose value changes whenever what the index said before is no longer so."""
ERROR = b"e"
"""Before the hash of a JSON-RPC error, where else the hash of a result stands."""
_CHUNK = 5000
"""Calls read and written at a time: other processes may record in between."""
_ALGORITHM = 4
_HASH_BYTES = 16
_CACHED_HASHES = 20_000

Place = tuple[int, str]
"""One session on one server."""


class Run(NamedTuple):
    """What of a session on a server is in the index."""

    calls: int
    answered: int
    stamp: str


@dataclass
class Evidence:
    """What the index is about, and what it rests on."""

    recording: Recording
    rules: ReplayRules | None = None
    tools: dict[ToolKey, Any] = field(init=False)
    sessions: dict[int, Session] = field(init=False)
    connections: dict[Place, Connection] = field(init=False)

    def __post_init__(self) -> None:
        """Read the small tables."""
        self.tools = queries.tool_map(self.recording)
        self.sessions = {session.id: session for session in queries.sessions(self.recording, evidence_only=True)}
        self.connections = {
            (link.session, link.server): link for link in queries.connections(self.recording) if link.session in self.sessions
        }
        self.hashes = ToolMatching(self.recording, self.tools, self.rules.tool if self.rules else None)
        self._named = {str(number): number for number in self.sessions}
        self._named.update((session.key, session.id) for session in self.sessions.values())

    def origin(self, place: Place) -> str:
        """The origin of a session's state on a server, as it enters state keys."""
        link = self.connections.get(place)
        return origin_key(link.origin if link else "unknown", self.sessions[place[0]].key)

    def continued(self, place: Place) -> Place | None:
        """The earlier session on the same server whose state this one continues."""
        link = self.connections.get(place)
        if link is None or not link.origin.startswith("continues("):
            return None
        earlier = self._named.get(link.origin[len("continues(") : -1])
        return None if earlier in (None, place[0]) else (earlier, place[1])


def packed(digest: str) -> bytes:
    """A hash as the index keeps it."""
    return bytes.fromhex(digest[-2 * _HASH_BYTES :])


class Indexer:
    """Compares the index with the recording, and mends it."""

    def __init__(
        self, evidence: Evidence, db: apsw.Connection, relation: EffectRelation | None = None, horizon: int | None = None
    ) -> None:
        """Find out what is to be done.

        Args:
            evidence: of the recording.
            db: where the index is: the recording's own database, or another one that has its tables.
            relation: go by this effect relation; by what the calls show and the rules declare when None.
            horizon: leave out calls with a greater id.
        """
        self.horizon = horizon
        self.evidence = evidence
        self.db = db
        self.recording = evidence.recording
        rows = self.recording.db.execute("SELECT id, name FROM server ORDER BY id")
        self.servers = {int(str(number)): str(name) for number, name in rows}
        self._ids = {name: number for number, name in self.servers.items()}
        self._kept = self._runs()
        self._sizes = self._counted()
        self.places = self._places()
        self._here = set(self.places)
        self.learned = LearnedEffects(self.recording, evidence.tools, self._seen())
        self.relation: EffectRelation = relation or self.learned.relation(evidence.rules)
        own = {server: self.learned.digest(server, self.relation) for server in self.servers.values()}
        digests = {server: hash_json([own.get(other) for other in self.relation.realm(server)]) for server in own}
        self._stamps: dict[Place, str] = {}
        for place in self.places:
            self._stamp(place, digests)
        self.stale = {place for place in self.places if self._kept.get(place) != self._run(place)}
        self._tools: dict[ToolKey, tuple[int, str]] = self._tool_rows()
        self.unhashed = [key for key, (_, stamp) in self._tools.items() if stamp != evidence.hashes.stamp(key)]

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.stale or self.unhashed or self.learned.fresh or self._gone())

    def tool_ids(self) -> dict[ToolKey, int]:
        """The numbers of tools and methods in the index."""
        return {key: number for key, (number, _) in self._tool_rows().items()}

    def refresh(self) -> None:
        """Mend the index; each step leaves it sound, so that being killed in between costs nothing but the step.

        Raises:
            StoreError: the index cannot be written.
        """
        with StoreErrors(self.recording.path):
            self._begin()
            if self.unhashed:
                self._hash_again()
            if self.stale:
                _Pass(self).run()

    def _begin(self) -> None:
        """Store what was learned, and take away what will not be true any more."""
        changed = [place for place in self.stale if place in self._kept and not self._only_grew(place)]
        with Transaction(self.recording.path, self.db):
            self.learned.store(self.db)
            gone = self._gone()
            _forget_runs(self.db, [(session, self._ids[server]) for session, server in [*changed, *gone]])
            if changed or gone or self.unhashed:
                self._renew_generation()
            self.db.execute("INSERT OR IGNORE INTO info VALUES (?, ?)", (GENERATION, "first"))

    def _only_grew(self, place: Place) -> bool:
        """Whether what the index says of the session stays true."""
        kept = self._kept[place]
        return kept.stamp == self._stamps[place] and kept.calls == kept.answered

    def _renew_generation(self) -> None:
        self.db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (GENERATION, uuid.uuid4().hex[:16]))

    def _counted(self) -> dict[int, tuple[int, int]]:
        """How many calls each session has, and how many of them are answered.

        An answered call stays so: where all that the index knows of are answered, and no call came, there is nothing to count.
        """
        settled = {session: run.calls for (session, _), run in self._kept.items() if run.calls == run.answered}
        counts: dict[int, tuple[int, int]] = {}
        for session in self.evidence.sessions.values():
            answered = session.calls
            if session.calls and settled.get(session.id) != session.calls:
                counted = self.recording.db.execute(
                    "SELECT count(*) FROM call WHERE session_id = ? AND status = 'done'", (session.id,)
                )
                answered = int(str(counted.fetchall()[0][0]))
            counts[session.id] = (session.calls, answered)
        return counts

    def _runs(self) -> dict[Place, Run]:
        rows = self.db.execute("SELECT session_id, server_id, calls, answered, stamp FROM candidate_run")
        return {
            (int(str(session)), self.servers[int(str(server))]): Run(int(str(calls)), int(str(answered)), str(stamp))
            for session, server, calls, answered, stamp in rows
            if server in self.servers
        }

    def _places(self) -> list[Place]:
        """Every session with every server that it called. The calls are asked only where something has changed."""
        known: dict[int, list[Place]] = {}
        for place, run in self._kept.items():
            if self._sizes.get(place[0]) == (run.calls, run.answered):
                known.setdefault(place[0], []).append(place)
        found: list[Place] = []
        for session, (calls, _) in self._sizes.items():
            if session in known:
                found += known[session]
            elif calls:
                rows = self.recording.db.execute("SELECT DISTINCT server_id FROM call WHERE session_id = ?", (session,))
                found += [(session, self.servers[number]) for number in sorted(int(str(row[0])) for row in rows)]
        return found

    def _seen(self) -> dict[str, JSON]:
        """For each server, what of the sessions its effects were learned from."""
        seen: dict[str, JSON] = {name: [] for name in self.servers.values()}
        for session, server in self.places:
            held = self.evidence.sessions[session]
            seen[server].append([session, *self._sizes[session], held.kind, str(held.labels.get("of", ""))])
        return seen

    def _stamp(self, place: Place, digests: Mapping[str, str]) -> str:
        known = self._stamps.get(place)
        if known is None:
            self._stamps[place] = ""  # two sessions that continue each other end here
            before = self.evidence.continued(place)
            there = before is not None and before in self._here
            earlier = [*self._sizes[before[0]], self._stamp(before, digests)] if before is not None and there else None
            origin = realm_origin(self.evidence, self.relation, place)
            known = self._stamps[place] = hash_json([_ALGORITHM, digests[place[1]], origin, earlier])
        return known

    def _run(self, place: Place) -> Run:
        return Run(*self._sizes[place[0]], self._stamps[place])

    def _tool_rows(self) -> dict[ToolKey, tuple[int, str]]:
        rows = self.db.execute("SELECT server_id, name, id, stamp FROM candidate_tool")
        return {
            ToolKey(self.servers[int(str(server))], str(name)): (int(str(number)), str(stamp))
            for server, name, number, stamp in rows
            if server in self.servers
        }

    def _gone(self) -> list[Place]:
        return [place for place in self._kept if place not in self._here]

    def _hash_again(self) -> None:
        """Hash the calls of tools whose schema or rules changed."""
        for key in self.unhashed:
            number, _ = self._tools[key]
            last = 0
            while True:
                rows = self.db.execute(
                    "SELECT call_id FROM candidate WHERE tool_id = ? AND call_id > ? ORDER BY call_id LIMIT ?",
                    (number, last, _CHUNK),
                ).fetchall()
                if not rows:
                    break
                last = int(str(rows[-1][0]))
                self._hash_chunk(key, [int(str(row[0])) for row in rows])
            with Transaction(self.recording.path, self.db):
                stamp = self.evidence.hashes.stamp(key)
                self.db.execute("UPDATE candidate_tool SET stamp = ? WHERE id = ?", (stamp, number))

    def _hash_chunk(self, key: ToolKey, calls: list[int]) -> None:
        rows = self.recording.db.execute(
            "SELECT id, params FROM call WHERE tool IS NOT NULL AND id IN (SELECT value FROM json_each(?))", (text(calls),)
        ).fetchall()
        hashed, texts = [], []
        for number, stored in rows:
            params = loads(str(stored))
            if goes_on(params):
                continue
            normalized, identity, found = self.evidence.hashes.all(key, _arguments(params))
            hashed.append((packed(normalized), packed(identity), number))
            texts += [(number, place, digest) for place, digest in found]
        with Transaction(self.recording.path, self.db):
            self.db.executemany("DELETE FROM candidate_text WHERE call_id = ?", [(number,) for number, _ in rows])
            self.db.executemany("UPDATE candidate SET normalized = ?, identity = ? WHERE call_id = ?", hashed)
            self.db.executemany("INSERT INTO candidate_text VALUES (?, ?, ?)", texts)


class _Pass:
    """One pass over the calls of the sessions that are to be read again, in order of arrival."""

    def __init__(self, indexer: Indexer) -> None:
        self._all = indexer
        self._evidence = indexer.evidence
        self._db = indexer.db
        self._histories: dict[tuple[int, tuple[str, ...]], History] = {}
        self._positions: dict[Place, int] = {}
        self._answered: dict[Place, deque[tuple[str, str]]] = {}
        self._tools = indexer.tool_ids()
        self._hashes: dict[tuple[ToolKey, str], tuple[bytes, bytes, tuple[tuple[str, str], ...]]] = {}

    def run(self) -> None:
        stale = self._all.stale
        sessions = sorted({session for session, _ in stale})
        marks = text(sessions)
        first, last = self._bounds(marks)
        while True:
            rows = self._all.recording.db.execute(
                "SELECT id, session_id, server_id, method, tool, params, args_hash, result_hash, error, is_error, status"
                " FROM call WHERE id >= ? AND id <= ? AND session_id IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
                (first, last, marks, _CHUNK),
            ).fetchall()
            self._take(rows)
            if len(rows) < _CHUNK:
                break
            first = int(str(rows[-1][0])) + 1
        with Transaction(self._all.recording.path, self._db):
            ids = self._all._ids
            self._db.executemany(
                "INSERT OR REPLACE INTO candidate_run VALUES (?, ?, ?, ?, ?)",
                [(place[0], ids[place[1]], *self._all._run(place)) for place in sorted(stale)],
            )

    def _bounds(self, sessions: str) -> tuple[int, int]:
        rows = self._all.recording.db.execute(
            "SELECT min(id), max(id) FROM call WHERE session_id IN (SELECT value FROM json_each(?))", (sessions,)
        ).fetchall()
        if rows[0][0] is None:
            return 0, -1
        last = int(str(rows[0][1]))
        return int(str(rows[0][0])), last if self._all.horizon is None else min(last, self._all.horizon)

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        servers, stale = self._all.servers, self._all.stale
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
                    state = paged(self._all.recording, state, cursors_of(loads(params)), reversed(answered))
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
            refused = bool(is_error) and self._all.relation.writes(key) and _refused(self._all.recording, result_hash, error)
            given = outcome_of(result_hash, loads(error) if error else None)
            history.append(key, args_hash, given, rejected=refused)
        with Transaction(self._all.recording.path, self._db):
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
            normalized, identity, texts = self._evidence.hashes.all(key, _arguments(params))
            known = packed(normalized), packed(identity), texts
            if len(self._hashes) < _CACHED_HASHES:
                self._hashes[(key, args_hash)] = known
        return known

    def _tool(self, key: ToolKey, server_id: int) -> int:
        number = self._tools.get(key)
        if number is None:
            with Transaction(self._all.recording.path, self._db):
                stamp = self._evidence.hashes.stamp(key)
                self._db.execute(
                    "INSERT OR IGNORE INTO candidate_tool (server_id, name, stamp) VALUES (?, ?, ?)",
                    (server_id, key.tool, stamp),
                )
            rows = self._db.execute("SELECT id FROM candidate_tool WHERE server_id = ? AND name = ?", (server_id, key.tool))
            number = self._tools[key] = int(str(rows.fetchall()[0][0]))
        return number

    def _history(self, place: Place) -> History:
        realm = (place[0], self._all.relation.realm(place[1]))
        history = self._histories.get(realm)
        if history is None:
            history = self._histories[realm] = self._begun(place)
        return history

    def _begun(self, place: Place) -> History:
        relation = self._all.relation
        before = earlier_place(self._evidence, relation, place)
        if before is not None:
            own = self._histories.get((before[0], relation.realm(before[1])))
            end = own or history_of(self._evidence, relation, before, remember=False)
            if end is not None:
                return History(relation, end.origin, (), end.totals, remember=False)
        return History(relation, realm_origin(self._evidence, relation, place), remember=False)


def realm_origin(evidence: Evidence, relation: EffectRelation, place: Place) -> str:
    """Where a session's state began on a server, and on those that declared effects join to it."""
    return " ".join(evidence.origin((place[0], server)) for server in relation.realm(place[1]))


def earlier_place(evidence: Evidence, relation: EffectRelation, place: Place) -> Place | None:
    """The session that this one continues on the server; on joined servers none is known to have continued together."""
    return evidence.continued(place) if len(relation.realm(place[1])) == 1 else None


def history_of(
    evidence: Evidence, relation: EffectRelation, place: Place, *, remember: bool = True, seen: frozenset[Place] = frozenset()
) -> History | None:
    """The history of a recorded session on a server at its end, with those that it continues; None if it made no call there."""
    rows = evidence.recording.db.execute(
        "SELECT c.id, v.name, c.method, c.tool, c.args_hash, c.result_hash, c.error, c.is_error FROM call c"
        " JOIN server v ON v.id = c.server_id WHERE c.session_id = ? AND v.name IN (SELECT value FROM json_each(?))"
        " ORDER BY c.id",
        (place[0], text(list(relation.realm(place[1])))),
    ).fetchall()
    if not rows:
        return None
    before = earlier_place(evidence, relation, place)
    earlier = None
    if before is not None and before not in seen:
        earlier = history_of(evidence, relation, before, remember=remember, seen=seen | {place})
    if earlier is None:
        history = History(relation, realm_origin(evidence, relation, place), remember=remember)
    else:
        history = History(relation, earlier.origin, earlier.writers, earlier.totals, remember=remember)
    for number, server, method, tool, args_hash, result_hash, error, is_error in rows:
        key = ToolKey(str(server), str(tool if tool is not None else method))
        refused = bool(is_error) and relation.writes(key) and _refused(evidence.recording, result_hash, error)
        given = outcome_of(None if result_hash is None else str(result_hash), loads(str(error)) if error else None)
        history.append(key, str(args_hash), given, rejected=refused, label=f"{key} (call {number})")
    return history


def index_quietly(recording: Recording) -> None:
    """Index what was recorded since the last time, so that the next replay starts at once.

    Trouble is not told: the next replay does what was not done here, and tells what is wrong.
    """
    with contextlib.suppress(StoreError), StoreErrors(recording.path):
        indexer = Indexer(Evidence(recording), recording.db)
        if not indexer.fresh:
            indexer.refresh()


def _forget_runs(db: apsw.Connection, runs: Iterable[tuple[int, int]]) -> None:
    for session, server in runs:
        db.execute(
            "DELETE FROM candidate WHERE session_id = ? AND tool_id IN (SELECT id FROM candidate_tool WHERE server_id = ?)",
            (session, server),
        )
        db.execute("DELETE FROM candidate_run WHERE session_id = ? AND server_id = ?", (session, server))


def _arguments(params: JsonObject) -> JsonObject:
    arguments = params.get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def _refused(recording: Recording, result_hash: object, error: object) -> bool:
    result = recording.load_result(str(result_hash)) if result_hash is not None else None
    return rejected(result, loads(str(error)) if error is not None else None)
