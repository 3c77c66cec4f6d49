"""The recording: append sessions, calls, tool snapshots and events; what was appended is committed when the method returns.

Several processes may write one recording. Each write is one short transaction of SQLite's write-ahead log, so a killed
process loses nothing that it had returned from. Reading is in :mod:`firefly_mcp.store.queries`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import apsw

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.store import blobs
from firefly_mcp.store.database import open_database, open_readonly, readonly_uri
from firefly_mcp.store.reader import Reader
from firefly_mcp.store.session_writer import Row, SessionWriter
from firefly_mcp.store.transaction import StoreErrors, Transaction
from firefly_mcp.types import Tool


class Recording:
    """One SQLite file that holds everything Firefly knows. Not for use from several threads at once."""

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = False,
        durability: str = "normal",
        exclusive: bool = False,
        readonly: bool = False,
    ) -> None:
        """Open the recording.

        Args:
            path: the file.
            create: make it when missing.
            durability: ``normal`` or ``full``.
            exclusive: no other process may have it open until it is closed.
            readonly: change nothing, and make no file beside it.

        Raises:
            StoreError: missing, foreign, damaged or unwritable; or open elsewhere where that is not allowed.
        """
        self.path = Path(path)
        self.readonly = readonly
        if readonly:
            self.db = open_readonly(self.path)
        else:
            self.db = open_database(self.path, create=create, durability=durability, exclusive=exclusive)
        self._servers: dict[str, int] = {}
        self._reader: Reader | None = None
        self._exclusive = exclusive

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; folding the log into it is left to SQLite."""
        if self._reader is not None:
            self._reader.close()
        self.db.close()

    def fold_log(self) -> None:
        """Write what the write-ahead log holds into the file, so that the one file, moved or copied, is all of it.

        Raises:
            StoreError: it cannot be written.
        """
        with StoreErrors(self.path):
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @classmethod
    def for_replay(cls, path: str | Path) -> Recording:
        """Open a recording to replay it: read-only if it cannot be written.

        Raises:
            StoreError: missing, foreign or damaged.
        """
        try:
            return cls(path)
        except StoreError as error:
            if not isinstance(error.__cause__, (apsw.ReadOnlyError, apsw.CantOpenError)):
                raise
            return cls(path, readonly=True)

    @property
    def reader(self) -> Reader:
        """For many small reads; whoever reads releases it. It does not see what a transaction here has not committed yet."""
        if self._reader is None:
            uri = readonly_uri(self.path) if self.readonly else self.path.absolute().as_uri()
            self._reader = Reader(self.path, uri, alone=self.db if self._exclusive else None)
        return self._reader

    @property
    def id(self) -> str:
        """The recording's own id, given when it was made."""
        return str(self.db.execute("SELECT value FROM info WHERE key = 'recording_id'").fetchall()[0][0])

    def transaction(self) -> Transaction:
        """One atomic write; SQLite's errors become :class:`~firefly_mcp.errors.StoreError`."""
        return Transaction(self.path, self.db)

    def add_server(self, name: str, spec: JsonObject | None = None) -> int:
        """The server's id; a spec (already redacted) replaces the one that is stored."""
        known = self._servers.get(name)
        if known is None:
            rows = self.db.execute("SELECT id FROM server WHERE name = ?", (name,)).fetchall()
            if rows:
                known = self._servers[name] = int(str(rows[0][0]))
        if known is not None and spec is None:
            return known
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO server (name, added_at) VALUES (?, ?)", (name, time.time()))
            if spec is not None:
                db.execute("UPDATE server SET spec = ? WHERE name = ?", (text(spec), name))
            row = db.execute("SELECT id FROM server WHERE name = ?", (name,)).fetchall()[0]
        self._servers[name] = int(str(row[0]))
        return self._servers[name]

    def begin_session(
        self,
        kind: str,
        *,
        key: str | None = None,
        transport: str = "",
        client_info: JsonObject | None = None,
        protocol_version: str = "",
        labels: JsonObject | None = None,
        config: JsonObject | None = None,
    ) -> SessionWriter:
        """Start a session; ``key`` is its public name, a fresh UUID when not given."""
        key = key or uuid.uuid4().hex
        with self.transaction() as db:
            db.execute(
                "INSERT INTO session (key, kind, transport, client_info, protocol_version, labels, config, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    kind,
                    transport,
                    text(client_info or {}),
                    protocol_version,
                    text(labels or {}),
                    text(config or {}),
                    time.time(),
                ),
            )
            session_id = db.last_insert_rowid()
        return SessionWriter(self, session_id, key)

    def snapshot_tools(
        self, server: str, definitions: Iterable[JsonObject], *, protocol_version: str = "", seen_at: float | None = None
    ) -> list[Tool]:
        """Store the tools as a server lists them now, or listed them at ``seen_at``; the list that was seen last counts."""
        server_id = self.add_server(server)
        tools = [Tool(server, definition) for definition in definitions]
        now = time.time() if seen_at is None else seen_at
        with self.transaction() as db:
            for position, tool in enumerate(tools):
                optional = (tool.output_schema, tool.definition.get("annotations"))
                db.execute(
                    "INSERT INTO tool_snapshot (server_id, name, hash, description, input_schema, output_schema, annotations,"
                    " definition, protocol_version, position, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (server_id, name, hash) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at),"
                    " position = excluded.position",
                    (
                        server_id,
                        tool.name,
                        tool.hash,
                        tool.description,
                        text(tool.input_schema),
                        *(None if value is None else text(value) for value in optional),
                        text(tool.definition),
                        protocol_version,
                        position,
                        now,
                    ),
                )
        return tools

    def store_result(self, result: JsonObject) -> str:
        """Store a result by its content, inside the caller's transaction, and give its hash."""
        digest = hash_json(result)
        data = text(result)
        if len(data) >= blobs.LARGE:  # a shorter one holds nothing that is kept apart
            skeleton, parts = blobs.split(result)
            for part_hash, part in parts.items():
                self.db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", (part_hash, len(part), part))
            data = text(skeleton)
        self.db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", (digest, len(data), data))
        return digest

    def add_replayed(self, rows: Iterable[Row]) -> None:
        """Append whole replayed calls (:meth:`SessionWriter.replayed`), inside the caller's transaction."""
        self.db.executemany(
            "INSERT INTO call (session_id, seq, server_id, method, tool, params, args_hash, result_hash, is_error, error,"
            " status, started_at, match, source_call, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def load_result(self, digest: str) -> JsonObject:
        """Read a stored result."""
        value: JsonObject = blobs.join(loads(self._blob(digest)), self._blob)
        return value

    def _blob(self, digest: str) -> str:
        rows = self.db.execute("SELECT data FROM blob WHERE hash = ?", (digest,)).fetchall()
        if not rows:
            raise StoreError(f"{self.path}: result {digest} is missing; the recording is incomplete")
        return str(rows[0][0])
