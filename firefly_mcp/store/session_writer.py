"""Append to one session of a recording: calls, answers, events; each is committed when the method returns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.store.transaction import StoreErrors
from firefly_mcp.types import CallStatus, is_error_result

if TYPE_CHECKING:
    from firefly_mcp.store.recording import Recording

ASIDE = "aside"
"""The direction of an event that is a request beside the calls, with its answer: a page of a list, or a refusal."""
_ASIDE = f"INSERT INTO call_event (call_id, session_id, offset_ms, direction, message) VALUES (NULL, ?, 0, '{ASIDE}', ?)"
_STANDING = frozenset({"subscriptions/listen"})
"""Requests that stay open for as long as their client does. They affect no call, and overlap none in any telling way."""

Row = tuple[int | float | str | None, ...]
"""The values of a row."""


class SessionWriter:
    """Appends to one session of a recording."""

    def __init__(self, recording: Recording, session_id: int, key: str) -> None:
        """Use :meth:`Recording.begin_session`."""
        self.recording = recording
        self.id = session_id
        self.key = key
        self._seq = 0
        self._open: dict[int, float] = {}

    @property
    def calls(self) -> int:
        """How many calls were appended: the ``seq`` of the last one."""
        return self._seq

    def describe(self, *, client_info: JsonObject, protocol_version: str) -> None:
        """Fill in what the client said of itself once it has said it."""
        with self.recording.transaction() as db:
            db.execute(
                "UPDATE session SET client_info = ?, protocol_version = ? WHERE id = ?",
                (text(client_info), protocol_version, self.id),
            )

    def label(self, name: str, value: JSON) -> None:
        """Set one label of the session; the others stay."""
        with StoreErrors(self.recording.path):
            self.recording.db.execute(
                "UPDATE session SET labels = json_set(labels, ?, json(?)) WHERE id = ?", (f'$."{name}"', text(value), self.id)
            )

    def connect(self, server: str, initialize: JsonObject, *, protocol_version: str = "", origin: str = "unknown") -> None:
        """Note that this session is connected to ``server``, and the result of ``initialize`` (or ``server/discover``)."""
        server_id = self.recording.add_server(server)
        with self.recording.transaction() as db:
            db.execute(
                "INSERT INTO connection VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " protocol_version = excluded.protocol_version, initialize = excluded.initialize",
                (self.id, server_id, protocol_version, text(initialize), origin),
            )

    def begin_call(self, server: str, method: str, params: JsonObject | None, *, match: str | None = None) -> int:
        """Commit a request before it goes upstream; it stays ``interrupted`` until :meth:`end_call`.

        Returns:
            The call's id.
        """
        server_id = self.recording.add_server(server)
        params = params or {}
        meta = params.get("_meta")
        kept = {key: value for key, value in params.items() if key != "_meta"} if meta is not None else params
        tool = str(kept.get("name", "")) if method == "tools/call" else None
        standing = method in _STANDING
        now = time.time()
        self._seq += 1
        with StoreErrors(self.recording.path):
            self.recording.db.execute(
                "INSERT INTO call (session_id, seq, server_id, method, tool, params, args_hash, request_meta, started_at,"
                " overlaps, match) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.id,
                    self._seq,
                    server_id,
                    method,
                    tool,
                    text(kept),
                    call_hash(method, kept),
                    None if meta is None else text(meta),
                    now,
                    0 if standing else len(self._open),
                    match,
                ),
            )
            call_id = self.recording.db.last_insert_rowid()
            if self._open and not standing:
                self._mark_overlap(call_id)
        if not standing:
            self._open[call_id] = now
        return call_id

    def _mark_overlap(self, call_id: int) -> None:
        marks = ",".join("?" * len(self._open))
        self.recording.db.execute(f"UPDATE call SET overlaps = overlaps + 1 WHERE id IN ({marks})", tuple(self._open))

    def end_call(
        self,
        call_id: int,
        *,
        result: JsonObject | None = None,
        error: JsonObject | None = None,
        duration_ms: float | None = None,
        match: str | None = None,
        source_call: int | None = None,
        detail: JsonObject | None = None,
    ) -> None:
        """Commit the answer; only then may it be passed on. ``duration_ms`` defaults to the time since ``begin_call``."""
        started = self._open.pop(call_id, None)
        if duration_ms is None and started is not None:
            duration_ms = (time.time() - started) * 1000
        with self.recording.transaction() as db:
            result_hash = None if result is None else self.recording.store_result(result)
            db.execute(
                "UPDATE call SET result_hash = ?, is_error = ?, error = ?, status = ?, duration_ms = ?,"
                " match = coalesce(?, match), source_call = ?, detail = ? WHERE id = ?",
                (
                    result_hash,
                    int(error is not None or is_error_result(result)),
                    None if error is None else text(error),
                    CallStatus.DONE,
                    duration_ms,
                    match,
                    source_call,
                    None if detail is None else text(detail),
                    call_id,
                ),
            )

    def replayed(
        self,
        server: str,
        method: str,
        params: JsonObject,
        *,
        started_at: float,
        match: str | None,
        source_call: int | None,
        result_hash: str | None,
        error: JsonObject | None,
        is_error: bool,
        detail: JsonObject,
        args_hash: str | None = None,
    ) -> Row:
        """The row of a whole replayed call, for :meth:`Recording.add_replayed`; its server must be known already.

        ``args_hash`` is the call's canonical hash where it is known.
        """
        self._seq += 1
        kept = {key: value for key, value in params.items() if key != "_meta"} if "_meta" in params else params
        return (
            self.id,
            self._seq,
            self.recording.add_server(server),
            method,
            str(kept.get("name", "")) if method == "tools/call" else None,
            text(kept),
            args_hash or call_hash(method, kept),
            result_hash,
            int(is_error),
            None if error is None else text(error),
            CallStatus.DONE,
            started_at,
            match,
            source_call,
            text(detail),
        )

    def cancel_call(self, call_id: int) -> None:
        """Mark a call that the client cancelled before its answer came."""
        self._open.pop(call_id, None)
        with StoreErrors(self.recording.path):
            self.recording.db.execute("UPDATE call SET status = ? WHERE id = ?", (CallStatus.CANCELLED, call_id))

    def abandon_call(self, call_id: int) -> None:
        """Forget that a call is in flight; it stays ``interrupted``."""
        self._open.pop(call_id, None)

    def event(self, call_id: int | None, direction: str, message: JsonObject, *, offset_ms: float = 0.0) -> None:
        """Keep a notification, or a request from the server, with the call that it belongs to.

        Args:
            call_id: the call, or None for one that belongs to the session alone.
            direction: ``to_client`` or ``to_server``.
            message: the JSON-RPC message.
            offset_ms: milliseconds since the call (or session) began.
        """
        with StoreErrors(self.recording.path):
            self.recording.db.execute(
                "INSERT INTO call_event (call_id, session_id, offset_ms, direction, message) VALUES (?, ?, ?, ?, ?)",
                (call_id, self.id, offset_ms, direction, text(message)),
            )

    def listed(self, server: str, method: str, cursor: JSON, result: JsonObject, *, after: int) -> None:
        """Keep a page of a list as it stood after the session's call number ``after``; 0 is before the first."""
        with self.recording.transaction() as db:
            result_hash = self.recording.store_result(result)
            told: JsonObject = {"server": server, "method": method, "after": after, "result_hash": result_hash}
            if cursor is not None:
                told["cursor"] = cursor
            db.execute(_ASIDE, (self.id, text(told)))

    def refused(self, server: str, method: str, params: JsonObject | None, error: JsonObject, *, after: int) -> None:
        """Keep the error that answered a request which is no call, made after the session's call number ``after``."""
        asked = {key: value for key, value in (params or {}).items() if key != "_meta"}
        told = {"server": server, "method": method, "after": after, "params": asked, "error": error}
        with StoreErrors(self.recording.path):
            self.recording.db.execute(_ASIDE, (self.id, text(told)))

    def set_origin(self, server: str, origin: str) -> None:
        """Say where the state of ``server`` began in this session: ``unknown``, ``proven(ID)`` or ``continues(SESSION)``."""
        server_id = self.recording.add_server(server)
        with self.recording.transaction() as db:
            db.execute("UPDATE connection SET origin = ? WHERE session_id = ? AND server_id = ?", (origin, self.id, server_id))

    def end(self) -> None:
        """Mark the session as ended."""
        with StoreErrors(self.recording.path):
            self.recording.db.execute("UPDATE session SET ended_at = ? WHERE id = ?", (time.time(), self.id))
