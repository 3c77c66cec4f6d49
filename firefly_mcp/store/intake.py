"""Many rows at once: sessions, calls and events of long ago, redacted, a transaction for every few thousand of them.

What a proxy writes is committed call by call (:class:`~firefly_mcp.store.recording.SessionWriter`). What is imported has its
own times, and nobody waits for a single call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.redact import Redactor
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.store.transaction import StoreErrors
from firefly_mcp.types import CallStatus, SessionKind, is_error_result

BATCH = 5000
"""Rows in one transaction."""
_REMEMBERED = 20_000
"""Sessions whose place is kept in memory; that of others is looked up."""


@dataclass(slots=True)
class _Place:
    """A session, and how many calls it has."""

    id: int
    calls: int = 0


class Intake:
    """Writes what is imported into a recording that nobody else uses yet. Use as a context manager: leaving it commits.

    Nothing gets past here unredacted but the names of servers, tools and sessions.
    """

    def __init__(self, recording: Recording, redactor: Redactor) -> None:
        """Begin; ``redactor`` is the one through which everything goes."""
        self.recording = recording
        self.redactor = redactor
        self.calls = 0
        self._servers: dict[str, int] = {}
        self._sessions: OrderedDict[str, _Place] = OrderedDict()
        self._waiting = 0

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        elif self.recording.db.in_transaction:
            self.recording.db.execute("ROLLBACK")

    def commit(self) -> None:
        """Write what is waiting."""
        with StoreErrors(self.recording.path):
            if self.recording.db.in_transaction:
                self.recording.db.execute("COMMIT")
        self._waiting = 0

    def session(self, key: str, *, at: float, labels: JsonObject, protocol_version: str = "", transport: str = "") -> int:
        """The session of this key; begun at ``at`` (seconds since 1970) where it is not there yet."""
        return self._place(key, at, labels, protocol_version, transport).id

    def describe(self, session: int, client_info: JsonObject, protocol_version: str) -> None:
        """Fill in what the client said of itself."""
        self._write(
            "UPDATE session SET client_info = ?, protocol_version = ? WHERE id = ?",
            (text(self.redactor.result(client_info)), protocol_version, session),
        )

    def end_session(self, session: int, at: float) -> None:
        """Say when a session ended."""
        self._write("UPDATE session SET ended_at = ? WHERE id = ?", (at, session))

    def server(self, name: str, *, spec: JsonObject | None = None, at: float) -> int:
        """The id of a server; a spec replaces the one that is stored."""
        known = self._servers.get(name)
        if known is None:
            self._write("INSERT INTO server (name, added_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, at))
            rows = self.recording.db.execute("SELECT id FROM server WHERE name = ?", (name,)).fetchall()
            known = self._servers[name] = int(str(rows[0][0]))
        if spec is not None:
            self._write("UPDATE server SET spec = ? WHERE id = ?", (text(self.redactor.result(spec)), known))
        return known

    def connect(self, session: int, server: str, initialize: JsonObject, protocol_version: str, *, at: float) -> None:
        """Note that a session is connected to a server, and what that server answered to ``initialize``."""
        self._write(
            "INSERT OR REPLACE INTO connection VALUES (?, ?, ?, ?, 'unknown')",
            (session, self.server(server, at=at), protocol_version, text(self.redactor.result(initialize))),
        )

    def tools(self, server: str, definitions: Iterable[JsonObject], *, at: float, protocol_version: str = "") -> None:
        """Store tool definitions as they were listed at ``at``."""
        self.server(server, at=at)
        self.commit()
        cleaned = self.redactor.definitions(list(definitions))
        self.recording.snapshot_tools(server, cleaned, protocol_version=protocol_version, seen_at=at)

    def begin_call(self, key: str, server: str, method: str, params: JsonObject | None, *, at: float, overlaps: int = 0) -> int:
        """Append a request to the session of this key, which must be there; it is ``interrupted`` until it is answered.

        Returns:
            The call's id.
        """
        place = self._place(key, at, {}, "", "")
        place.calls += 1
        tool = str((params or {}).get("name", "")) if method == "tools/call" else None
        cleaned = self.redactor.params(params, server=server, tool=tool) or {}
        kept = {name: value for name, value in cleaned.items() if name != "_meta"}
        meta = cleaned.get("_meta")
        self._write(
            "INSERT INTO call (session_id, seq, server_id, method, tool, params, args_hash, request_meta, started_at, overlaps)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                place.id,
                place.calls,
                self.server(server, at=at),
                method,
                tool,
                text(kept),
                call_hash(method, kept),
                None if meta is None else text(meta),
                at,
                overlaps,
            ),
        )
        self.calls += 1
        return self.recording.db.last_insert_rowid()

    def answer(
        self,
        call: int,
        *,
        server: str,
        tool: str | None,
        result: JsonObject | None = None,
        error: JsonObject | None = None,
        duration_ms: float | None = None,
    ) -> None:
        """Append the answer of a call: a result, or a JSON-RPC error."""
        cleaned = self.redactor.result(result if error is None else error, server=server, tool=tool)
        stored = None if error is not None else self.recording.store_result(cleaned or {})
        self._write(
            "UPDATE call SET result_hash = ?, is_error = ?, error = ?, status = ?, duration_ms = ? WHERE id = ?",
            (
                stored,
                int(error is not None or is_error_result(cleaned)),
                None if error is None else text(cleaned),
                CallStatus.DONE,
                duration_ms,
                call,
            ),
        )

    def cancel(self, call: int) -> None:
        """Mark a call that its client took back."""
        self._write("UPDATE call SET status = ? WHERE id = ?", (CallStatus.CANCELLED, call))

    def overlap(self, calls: Iterable[int]) -> None:
        """Count one more call beside each of these that are in flight."""
        for call in calls:
            self._write("UPDATE call SET overlaps = overlaps + 1 WHERE id = ?", (call,))

    def event(self, call: int | None, session: int, direction: str, message: JsonObject, *, offset_ms: float) -> None:
        """Append a notification, a request of the server, or the client's answer to one."""
        self._write(
            "INSERT INTO call_event (call_id, session_id, offset_ms, direction, message) VALUES (?, ?, ?, ?, ?)",
            (call, session, offset_ms, direction, text(self.redactor.result(message))),
        )

    def listed(self, key: str, server: str, method: str, cursor: JSON, result: JsonObject) -> None:
        """Keep a page of a list as it stood at this place of the session of this key, which must be there."""
        place = self._place(key, 0.0, {}, "", "")
        self.commit()
        writer = SessionWriter(self.recording, place.id, key)
        kept = {**self.redactor.result({name: value for name, value in result.items() if name != "tools"})}
        kept["tools"] = self.redactor.definitions(result["tools"])
        writer.listed(server, method, cursor, kept, after=place.calls)

    def _place(self, key: str, at: float, labels: JsonObject, protocol_version: str, transport: str) -> _Place:
        place = self._sessions.get(key)
        if place is not None:
            self._sessions.move_to_end(key)
            return place
        rows = self.recording.db.execute(
            "SELECT id, (SELECT coalesce(max(seq), 0) FROM call WHERE session_id = session.id) FROM session WHERE key = ?",
            (key,),
        ).fetchall()
        if rows:
            place = _Place(int(str(rows[0][0])), int(str(rows[0][1])))
        else:
            rules = self.redactor.rules.to_json()
            self._write(
                "INSERT INTO session (key, kind, transport, protocol_version, labels, config, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    SessionKind.IMPORT,
                    transport,
                    protocol_version,
                    text(labels),
                    text({"redaction": rules} if rules else {}),
                    at,
                ),
            )
            place = _Place(self.recording.db.last_insert_rowid())
        self._sessions[key] = place
        if len(self._sessions) > _REMEMBERED:
            self._sessions.popitem(last=False)
        return place

    def _write(self, sql: str, values: tuple[object, ...]) -> None:
        with StoreErrors(self.recording.path):
            if not self.recording.db.in_transaction:
                self.recording.db.execute("BEGIN IMMEDIATE")
            self.recording.db.execute(sql, values)
            self._waiting += 1
            if self._waiting >= BATCH:
                self.commit()
