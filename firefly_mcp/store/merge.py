"""Put recordings together into a new one, losing nothing.

Servers are joined by name, tool snapshots and contents by hash, sessions by key: the same session (same key, same content) is
taken once; another session of the same key gets a new one. Derived rows (effects, edges) that two sources tell differently are
taken from the stronger one; ``firefly graph build`` learns them anew from all calls. The replay index is not merged but
built anew.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.store.pages import SUFFIXES, remove
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.transaction import StoreErrors
from firefly_mcp.store.translation import Row, Translation

_EFFECT_SOURCES = ("declared", "observed", "equality", "annotation", "verb", "default")
_TASK_STATUSES = ("admitted", "unproven", "rejected", "forgotten")


@dataclass
class MergeReport:
    """What was put together."""

    store: Path
    recording_id: str = ""
    sources: list[JsonObject] = field(default_factory=list)
    sessions: int = 0
    calls: int = 0
    same: int = 0
    """Sessions that another source had already."""
    renamed: list[JsonObject] = field(default_factory=list)
    specs: list[JsonObject] = field(default_factory=list)
    """Servers that a source knows under the same name with another configuration, which is kept in ``info``."""
    tasks: list[str] = field(default_factory=list)
    """Tasks that sources tell differently; the better status is kept."""

    def to_json(self) -> JsonObject:
        """The shape of ``firefly merge --json``."""
        return {**self.__dict__, "store": str(self.store)}


def merge(sources: Sequence[Path], out: Path) -> MergeReport:
    """Write the recording ``out`` from all ``sources``, in their order.

    A reader sees no file or a whole one. The sources' recording ids are kept in ``info`` under ``merged_from``.

    Raises:
        UsageError: ``out`` is there already.
        StoreError: a source is missing or damaged, or ``out`` cannot be written.
    """
    for suffix in SUFFIXES:
        there = out.with_name(out.name + suffix)
        if there.exists():
            one = any(source.exists() and source.samefile(there) for source in sources)
            why = "is one of the recordings to merge" if one else "is there already"
            raise UsageError(f"{there}: {why}; name a new file with --store")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    report = MergeReport(out)
    try:
        with Recording(part, create=True) as target:
            report.recording_id = target.id
            for path in sources:
                with Recording(path) as source:
                    _Source(source, target, report).take()
            for name in ("sessions", "calls"):
                setattr(report, name, _number(target.db, f"SELECT count(*) FROM {name.removesuffix('s')}"))
            target.fold_log()
        part.rename(out)
    finally:
        remove(part)
    return report


def absorb(source: Recording, target: Recording) -> MergeReport:
    """Put all of ``source`` into ``target``, which may hold something already, in one transaction.

    Raises:
        StoreError: one of them is damaged, or the target cannot be written.
    """
    report = MergeReport(target.path)
    _Source(source, target, report).take()
    return report


class _Source:
    """One recording on its way into another."""

    def __init__(self, source: Recording, target: Recording, report: MergeReport) -> None:
        self.source = source
        self.target = target
        self.report = report
        self.to = Translation()
        self.new: set[int] = set()

    def take(self) -> None:
        """Copy everything, in one transaction there, from one state here."""
        with StoreErrors(self.source.path):
            self.source.db.execute("BEGIN")
        try:
            with self.target.transaction():
                self._servers()
                self._contents()
                self._sessions()
                self._calls()
                self._derived()
                self._replayed()
                self._tasks()
                self._info()
        finally:
            self.source.db.execute("ROLLBACK")

    def _servers(self) -> None:
        for row in self._rows("server"):
            known = self._there("SELECT id, spec FROM server WHERE name = ?", row["name"])
            if known and loads(known[0][1]) != loads(row["spec"]):
                self.report.specs.append({"server": row["name"], "source": str(self.source.path)})
                self._keep(f"spec/{row['name']}", row["spec"])
            self.to.servers[row["id"]] = known[0][0] if known else self._insert("server", row)

    def _contents(self) -> None:
        blobs = self.source.db.execute("SELECT hash, size, data FROM blob")
        self.target.db.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", blobs)
        for row in self._rows("tool_snapshot"):
            row["server_id"] = self.to.servers[row["server_id"]]
            self._insert(
                "tool_snapshot",
                row,
                " ON CONFLICT (server_id, name, hash) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at),"
                " position = iif(excluded.seen_at > seen_at, excluded.position, position)",
            )

    def _sessions(self) -> None:
        """Give every session its place there; sessions are taken in order, so that later ones may name earlier ones."""
        offset = _number(self.target.db, "SELECT coalesce(max(id), 0) FROM call")
        rows = list(self._rows("session"))
        for row in rows:
            self.to.know_key(row["id"], row["key"], row["key"])
        for row in rows:
            number, key = row["id"], row["key"]
            calls = [
                call for (call,) in self.source.db.execute("SELECT id FROM call WHERE session_id = ? ORDER BY id", (number,))
            ]
            for candidate in self._names(key):
                self.to.know_key(number, key, candidate)
                known = self._there("SELECT id FROM session WHERE key = ?", candidate)
                if not known:
                    self.new.add(number)
                    self.to.sessions[number] = self._insert("session", self.to.session(row))
                    self.to.calls.update((call, call + offset) for call in calls)
                    if candidate != key:
                        self.report.renamed.append({"source": str(self.source.path), "key": key, "to": candidate})
                    break
                there = int(known[0][0])
                if self._content(row) == _content(self.target.db, there):
                    self.report.same += 1
                    self.to.sessions[number] = there
                    own = self._there("SELECT id FROM call WHERE session_id = ? ORDER BY id", there)
                    self.to.calls.update(zip(calls, (int(call) for (call,) in own), strict=True))
                    break

    def _names(self, key: str) -> Iterator[str]:
        """What a session may be called: its key, else that key with the beginning of this recording's id."""
        yield key
        named = f"{key}~{self.source.id[:8]}"
        yield named
        yield from (f"{named}-{number}" for number in itertools.count(2))

    def _content(self, row: Row) -> Any:
        """All that a session holds, as it would stand there."""
        return _content(self.source.db, row["id"], self.to)

    def _calls(self) -> None:
        for row in self._rows("connection"):
            if row["session_id"] in self.new:
                self._insert("connection", self.to.connection(row))
        for row in self._rows("call"):
            if row["session_id"] in self.new:
                self._insert("call", self.to.call(row), keep_id=True)
        for row in self._rows("call_event"):
            if row["session_id"] in self.new:
                self._insert("call_event", self.to.event(row))

    def _derived(self) -> None:
        for row in map(self.to.trajectory, self._rows("trajectory")):
            same = "session_id IS ? AND dag = ? AND calls = ? AND bindings = ?"
            values = (row["session_id"], row["dag"], row["calls"], row["bindings"])
            if not self._there(f"SELECT 1 FROM trajectory WHERE {same}", *values):
                self._insert("trajectory", row)
        for row in map(self.to.effect, self._rows("effect")):
            place = (row["server_id"], row["writer"], row["reader"])
            known = self._there("SELECT source, affects FROM effect WHERE (server_id, writer, reader) = (?, ?, ?)", *place)
            if not known or _strength(row["source"], row["affects"]) < _strength(*known[0]):
                self._insert("effect", row, replace=True)
        keys = ("source_server", "source_tool", "target_server", "target_tool", "argument")
        for row in self._rows("edge"):
            place = tuple(row[key] for key in keys)
            known = self._there(f"SELECT score FROM edge WHERE ({', '.join(keys)}) = (?, ?, ?, ?, ?)", *place)
            if not known or row["score"] > known[0][0]:
                self._insert("edge", row, replace=True)

    def _replayed(self) -> None:
        """What replay keeps: the vectors of texts, by the embedder that made them, and the answers that models wrote."""
        there: dict[int, int] = {}
        for row in self._rows("embedder"):
            known = self._there("SELECT id FROM embedder WHERE name = ?", row["name"])
            there[row["id"]] = int(known[0][0]) if known else self._insert("embedder", row)
        for row in self._rows("vector"):
            self._insert("vector", {**row, "embedder_id": there[row["embedder_id"]]}, " ON CONFLICT DO NOTHING")
        for row in map(self.to.simulated, self._rows("simulated")):
            self._insert("simulated", row, " ON CONFLICT DO NOTHING")

    def _tasks(self) -> None:
        taken = set()
        for row in self._rows("task"):
            known = self._there("SELECT status, task FROM task WHERE id = ?", row["id"])
            if known and known[0] != (row["status"], row["task"]):
                self.report.tasks.append(row["id"])
            if not known or _rank(_TASK_STATUSES, row["status"]) < _rank(_TASK_STATUSES, known[0][0]):
                self._insert("task", row, replace=True)
                self.target.db.execute("DELETE FROM verdict WHERE task_id = ?", (row["id"],))
                taken.add(row["id"])
        for row in self._rows("verdict"):
            if row["task_id"] in taken:
                self._insert("verdict", row)

    def _info(self) -> None:
        (told,) = self._there("SELECT coalesce((SELECT value FROM info WHERE key = 'merged_from'), '[]')")
        merged: list[JsonObject] = loads(told[0])
        own: JsonObject = {"id": self.source.id}
        for name in ("session", "call"):
            own[f"{name}s"] = _number(self.source.db, f"SELECT count(*) FROM {name}")
        self.report.sources.append({"path": str(self.source.path), **own})
        for row in self._rows("info"):
            if row["key"] == "merged_from":
                merged += loads(row["value"])
            elif row["key"] not in ("recording_id", "replay_index", "tool_graph"):
                self._keep(row["key"], row["value"])
        merged.append(own)
        once = list({one["id"]: one for one in merged}.values())
        self.target.db.execute("INSERT OR REPLACE INTO info VALUES ('merged_from', ?)", (text(once),))

    def _keep(self, key: str, value: str) -> None:
        """Keep what concerns this source alone in ``info``, under its id; what an earlier merge kept so stays as it is."""
        named = (
            key if "/" in key and key.split("/")[0].isalnum() and len(key.split("/")[0]) == 32 else f"{self.source.id}/{key}"
        )
        self.target.db.execute("INSERT OR IGNORE INTO info VALUES (?, ?)", (named, value))

    def _rows(self, table: str) -> Iterator[Row]:
        return _rows(self.source.db, f"SELECT * FROM {table}{' ORDER BY id' if table in _WITH_ID else ''}")

    def _there(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.target.db.execute(sql, values).fetchall()

    def _insert(self, table: str, row: Row, conflict: str = "", *, replace: bool = False, keep_id: bool = False) -> int:
        kept = row if keep_id or table not in _WITH_ID else {key: value for key, value in row.items() if key != "id"}
        marks = ", ".join("?" * len(kept))
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        self.target.db.execute(f"{verb} INTO {table} ({', '.join(kept)}) VALUES ({marks}){conflict}", tuple(kept.values()))
        return self.target.db.last_insert_rowid()


TABLES = frozenset(
    "server blob tool_snapshot session connection call call_event trajectory effect edge embedder vector simulated task verdict"
    " info".split()
)
"""What is merged. ``migration`` is each file's own, and so is the replay index."""
_WITH_ID = frozenset("server tool_snapshot session call call_event trajectory embedder".split())


def _rows(db: apsw.Connection, sql: str, *values: Any) -> Iterator[Row]:
    cursor = db.cursor()
    for row in cursor.execute(sql, values):
        yield {name: value for (name, *_), value in zip(cursor.get_description(), row, strict=True)}


def _content(db: apsw.Connection, session: int, to: Translation | None = None) -> Any:
    """All that a session holds but its own ids: its row, connections, calls and events; translated if ``to`` is given."""

    def told(table: str, row: Row) -> Row:
        out: Row = getattr(to, table)(row) if to is not None else dict(row)
        return {key: value for key, value in out.items() if key not in ("id", "session_id")}

    own = _rows(db, "SELECT id, seq FROM call WHERE session_id = ?", session)
    sequence = {call["id"]: call["seq"] for call in own}
    events = [
        (sequence.get(row["call_id"]), row["offset_ms"], row["direction"], row["message"])
        for row in _rows(db, "SELECT * FROM call_event WHERE session_id = ? ORDER BY id", session)
    ]
    connections = [told("connection", row) for row in _rows(db, "SELECT * FROM connection WHERE session_id = ?", session)]
    return [
        [told("session", row) for row in _rows(db, "SELECT * FROM session WHERE id = ?", session)],
        sorted(connections, key=lambda row: int(row["server_id"])),
        [told("call", row) for row in _rows(db, "SELECT * FROM call WHERE session_id = ? ORDER BY id", session)],
        events,
    ]


def _strength(source: str, affects: int) -> tuple[int, int]:
    """Smaller is stronger; of two equal sources the one that sees an effect."""
    return _rank(_EFFECT_SOURCES, source), -affects


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _number(db: apsw.Connection, sql: str) -> int:
    return int(str(db.execute(sql).fetchall()[0][0]))
