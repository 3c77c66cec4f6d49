"""Take sessions out of a recording, with all that only they hold; :mod:`firefly_mcp.forget` sees to what rests on them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.store import queries
from firefly_mcp.store.blobs import MARK
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.schema import INDEX_TABLES
from firefly_mcp.store.session_writer import ASIDE
from firefly_mcp.store.transaction import StoreErrors
from firefly_mcp.types import Session, SessionKind

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sessions are meant: those for which all that is given holds.

    Attributes:
        ids: one of these sessions.
        kind: of this kind.
        older_than: ended (or, if it never said so, began) more than so many days ago.
        labels: has these labels; a value is compared as text.
    """

    ids: frozenset[int] = frozenset()
    kind: str | None = None
    older_than: float | None = None
    labels: Sequence[tuple[str, str]] = ()

    def __bool__(self) -> bool:
        return bool(self.ids or self.kind or self.labels) or self.older_than is not None

    def of(self, sessions: Iterable[Session]) -> list[Session]:
        """Those sessions that are meant."""
        return [session for session in sessions if self._means(session)]

    def _means(self, session: Session) -> bool:
        if self.ids and session.id not in self.ids:
            return False
        if self.kind is not None and session.kind != self.kind:
            return False
        if self.older_than is not None and (session.ended_at or session.started_at) > time.time() - self.older_than * _DAY:
            return False
        return all(name in session.labels and value in _written(session.labels[name]) for name, value in self.labels)


def with_dependants(recording: Recording, chosen: Iterable[Session]) -> list[Session]:
    """The chosen sessions, and those that say the same again: repeats of them, and replays that were answered from them."""
    known = {session.id: session for session in queries.sessions(recording)}
    out = {session.id for session in chosen}
    keys = {known[number].key for number in out}
    out |= {session.id for session in known.values() if str(session.labels.get("of")) in keys}
    answered = recording.db.execute(
        "SELECT DISTINCT c.session_id FROM call c JOIN call s ON s.id = c.source_call JOIN session n ON n.id = c.session_id"
        " WHERE n.kind = ? AND s.session_id IN (SELECT value FROM json_each(?))",
        (SessionKind.REPLAY, text(sorted(out))),
    )
    out |= {int(str(number)) for (number,) in answered}
    return [session for number, session in sorted(known.items()) if number in out]


def remove_sessions(db: apsw.Connection, sessions: Sequence[Session]) -> dict[str, int]:
    """Delete sessions and their rows, and mend what pointed at them, inside the caller's transaction.

    A session that continued a forgotten one has an unknown origin from now on. Replay's notes on misses lose the recorded calls
    that they showed as nearest. Answers that a model wrote from a forgotten call go with it; the replay index is emptied, and
    built anew by the next replay.

    Returns:
        How many rows went, by table.
    """
    removed: dict[str, int] = {}
    db.execute("CREATE TEMP TABLE gone_session (id INTEGER PRIMARY KEY)")
    db.execute("CREATE TEMP TABLE gone_call (id INTEGER PRIMARY KEY)")
    try:
        db.executemany("INSERT INTO gone_session VALUES (?)", [(session.id,) for session in sessions])
        db.execute("INSERT INTO gone_call SELECT id FROM call WHERE session_id IN gone_session")
        _forget_nearest(db)
        db.execute("UPDATE call SET source_call = NULL WHERE source_call IN gone_call AND session_id NOT IN gone_session")
        removed["events"] = _delete(db, "call_event", "session_id IN gone_session OR call_id IN gone_call")
        removed["trajectories"] = _delete(
            db,
            "trajectory",
            "session_id IN gone_session OR EXISTS (SELECT 1 FROM json_each(calls) WHERE value IN gone_call)",
        )
        removed["calls"] = _delete(db, "call", "session_id IN gone_session")
        removed["connections"] = _delete(db, "connection", "session_id IN gone_session")
        origins = [f"continues({name})" for session in sessions for name in (session.key, session.id)]
        db.executemany("UPDATE connection SET origin = 'unknown' WHERE origin = ?", [(origin,) for origin in origins])
        removed["sessions"] = _delete(db, "session", "id IN gone_session")
        removed["simulated"] = _delete(
            db,
            "simulated",
            "call_id IN gone_call OR EXISTS (SELECT 1 FROM json_each(sources) WHERE value IN gone_call)",
        )
        if any(session.kind != SessionKind.REPLAY for session in sessions):
            _empty_index(db)
        removed["blobs"] = _remove_orphans(db)
    finally:
        db.execute("DROP TABLE gone_session")
        db.execute("DROP TABLE gone_call")
    return removed


def squeeze(recording: Recording) -> None:
    """Write the file anew without what was deleted, and empty its log; the recording must be open exclusively."""
    with StoreErrors(recording.path):
        recording.db.execute("VACUUM")
    recording.fold_log()


def _empty_index(db: apsw.Connection) -> None:
    """Empty the replay index, and delete the vectors of texts that no remaining call is known to hold."""
    db.execute(
        "DELETE FROM vector WHERE text_hash NOT IN (SELECT text_hash FROM candidate_text WHERE call_id NOT IN gone_call)"
    )
    for table in INDEX_TABLES:
        db.execute(f"DELETE FROM {table}")
    db.execute("DELETE FROM info WHERE key = 'replay_index'")


def _remove_orphans(db: apsw.Connection) -> int:
    """Delete contents that no call, list or simulated answer refers to, neither as its result nor as a large part of it."""
    db.execute("CREATE TEMP TABLE kept_blob (hash TEXT PRIMARY KEY) WITHOUT ROWID")
    try:
        db.execute("INSERT OR IGNORE INTO kept_blob SELECT result_hash FROM call WHERE result_hash IS NOT NULL")
        db.execute("INSERT OR IGNORE INTO kept_blob SELECT result_hash FROM simulated")
        db.execute(
            "INSERT OR IGNORE INTO kept_blob SELECT json_extract(message, '$.result_hash') FROM call_event"
            " WHERE call_id IS NULL AND direction = ?",
            (ASIDE,),
        )
        holders = db.execute(
            "SELECT data FROM blob WHERE hash IN (SELECT hash FROM kept_blob) AND instr(data, ?)", (MARK,)
        ).fetchall()
        parts = {part for (data,) in holders for part in _parts(loads(str(data)))}
        db.executemany("INSERT OR IGNORE INTO kept_blob VALUES (?)", [(part,) for part in sorted(parts)])
        return _delete(db, "blob", "hash NOT IN (SELECT hash FROM kept_blob)")
    finally:
        db.execute("DROP TABLE kept_blob")


def _parts(value: Any) -> set[str]:
    """The hashes of large parts that stand apart from a stored result."""
    if isinstance(value, dict):
        mark = value.get(MARK)
        own = {mark} if len(value) == 1 and isinstance(mark, str) else set()
        return own.union(*(_parts(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_parts(item) for item in value))
    return set()


def _forget_nearest(db: apsw.Connection) -> None:
    rows = db.execute(
        "SELECT c.id, c.detail FROM call c WHERE c.match = 'miss' AND c.session_id NOT IN gone_session AND EXISTS"
        " (SELECT 1 FROM json_each(c.detail, '$.nearest') n WHERE json_extract(n.value, '$.call') IN gone_call)"
    ).fetchall()
    gone = {number for (number,) in db.execute("SELECT id FROM gone_call")} if rows else set()
    for number, stored in rows:
        detail: JsonObject = loads(str(stored))
        detail["nearest"] = [one for one in detail["nearest"] if one.get("call") not in gone]
        detail["why"] = "the recorded calls that were nearest have been forgotten"
        db.execute("UPDATE call SET detail = ? WHERE id = ?", (text(detail), number))


def _delete(db: apsw.Connection, table: str, where: str) -> int:
    db.execute(f"DELETE FROM {table} WHERE {where}")
    return db.changes()


def _written(value: Any) -> tuple[str, ...]:
    """A label's value as a person may write it."""
    return (value, text(value)) if isinstance(value, str) else (text(value),)
