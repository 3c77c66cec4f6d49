"""Bring the replay index up to date: what has changed since it was written is indexed again, and nothing else.

The index lives in the recording, so that replay starts at once however large the recording is. Each part carries a stamp of
what it rests on. A session is read again when it got calls or answers, when its origin changed, or when the effect relation of
one of its servers did; the calls of a tool are hashed again when its input schema or the user's rules for it changed.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import apsw

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JSON
from firefly_mcp.replay.evidence import Evidence, Place
from firefly_mcp.replay.hash_again import hash_again, tool_rows
from firefly_mcp.replay.index_pass import IndexPass
from firefly_mcp.replay.learned import LearnedEffects
from firefly_mcp.replay.past import realm_origin
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.transaction import StoreErrors, Transaction
from firefly_mcp.types import ToolKey

GENERATION = "replay_index"
"""The key in ``info`` whose value changes whenever what the index said before is no longer so."""
_ALGORITHM = 4


class Run(NamedTuple):
    """What of a session on a server is in the index."""

    calls: int
    answered: int
    stamp: str


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
        self._tools: dict[ToolKey, tuple[int, str]] = tool_rows(db, self.servers)
        self.unhashed = [key for key, (_, stamp) in self._tools.items() if stamp != evidence.hashes.stamp(key)]

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.stale or self.unhashed or self.learned.fresh or self._gone())

    def tool_ids(self) -> dict[ToolKey, int]:
        """The numbers of tools and methods in the index."""
        return {key: number for key, (number, _) in tool_rows(self.db, self.servers).items()}

    def refresh(self) -> None:
        """Mend the index; each step leaves it sound, so that being killed in between costs nothing but the step.

        Raises:
            StoreError: the index cannot be written.
        """
        with StoreErrors(self.recording.path):
            self._begin()
            for key in self.unhashed:
                hash_again(self.evidence, self.db, key, self._tools[key][0])
            if self.stale:
                IndexPass(self.evidence, self.db, self.relation, self.servers, self.stale).run(self.horizon)
                self._store_runs()

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

    def _store_runs(self) -> None:
        rows = [(place[0], self._ids[place[1]], *self._run(place)) for place in sorted(self.stale)]
        with Transaction(self.recording.path, self.db):
            self.db.executemany("INSERT OR REPLACE INTO candidate_run VALUES (?, ?, ?, ?, ?)", rows)

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

    def _gone(self) -> list[Place]:
        return [place for place in self._kept if place not in self._here]


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
