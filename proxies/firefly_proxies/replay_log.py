"""The log of replayed calls, written in batches: it must not cost a replayed call a commit of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from firefly_mcp.errors import FireflyError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Answer, Hit
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import Row, SessionWriter
from firefly_mcp.types import Call, SessionKind
from firefly_proxies.conversation import Opening

BATCH = 500
"""Calls that are written at once."""
_SECONDS = 1.0
"""What is not written by then is."""
_TICKS_HELD = 10
"""So many seconds a busy replay reads from one snapshot: taking another costs the pages that are in memory."""


class ReplayLog:
    """Collects replayed calls and writes them when a batch is full, a session ends, or replay stops."""

    def __init__(self, recording: Recording) -> None:
        """Log into ``recording``."""
        self.recording = recording
        self._waiting: list[tuple[ReplaySessionLog, Callable[[SessionWriter], Row]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0

    def session(self, opening: Opening) -> ReplaySessionLog:
        """The log of one session; it is in the recording once it has made a call."""
        return ReplaySessionLog(self, opening)

    def add(self, log: ReplaySessionLog, row: Callable[[SessionWriter], Row]) -> None:
        """Take in one call; ``row`` makes its row when it is written."""
        self._waiting.append((log, row))
        if len(self._waiting) >= BATCH:
            self.flush()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._tick)

    def flush(self) -> None:
        """Write what is waiting, in one transaction."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        writers = [log.begin() for log, _ in waiting]
        with self.recording.transaction():
            self.recording.add_replayed(row(writer) for writer, (_, row) in zip(writers, waiting, strict=True))

    def close(self) -> None:
        """Write what is waiting, and let go of the snapshot that was read from."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self.recording.reader.release()

    def _tick(self) -> None:
        """Once a second: what waits is written. The snapshot is held while there is something to do, but not for long."""
        self._timer = None
        idle = not self._waiting
        self._ticks += 1
        with contextlib.suppress(FireflyError):  # told by the next flush
            self.flush()
        if idle or self._ticks % _TICKS_HELD == 0:
            self.recording.reader.release()
        if not idle:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._tick)


class ReplaySessionLog:
    """One replayed session's part of the log."""

    def __init__(self, log: ReplayLog, opening: Opening) -> None:
        """Use :meth:`ReplayLog.session`."""
        self._log = log
        self._opening = opening
        self._client: JsonObject = {}
        self._version = ""
        self.writer: SessionWriter | None = None

    def describe(self, client_info: JsonObject, protocol_version: str) -> None:
        """Note who the client is."""
        self._client, self._version = client_info, protocol_version

    def call(self, server: str, method: str, params: JsonObject, answer: Answer) -> None:
        """Note one replayed call."""
        at = time.time()

        def row(writer: SessionWriter) -> Row:
            call = answer.call
            detail: JsonObject = {"variants": answer.variants, "state": "same" if answer.same_state else "other"}
            if answer.distance:
                detail["distance"] = answer.distance
            if answer.miss is not None:
                detail = {"cause": answer.miss.cause, "why": answer.miss.message, "nearest": answer.miss.nearest}
            return writer.replayed(
                server,
                method,
                params,
                started_at=at,
                match=None if answer.instead else str(answer.kind),
                source_call=answer.source,
                result_hash=None if call is None else self._stored(call),
                error=None if call is None else call.error,
                is_error=call is None or call.is_error,
                detail={**detail, **answer.notes},
            )

        self._log.add(self, row)

    def hit(self, hit: Hit, params: JsonObject, args_hash: str) -> None:
        """Note one call of a tool that was answered with a plain result."""
        at = time.time()

        def row(writer: SessionWriter) -> Row:
            detail: JsonObject = {"variants": hit.variants, "state": "same" if hit.same_state else "other"}
            if hit.distance:
                detail["distance"] = hit.distance
            return writer.replayed(
                hit.key.server,
                "tools/call",
                params,
                started_at=at,
                match=str(hit.kind),
                source_call=hit.candidate.call,
                result_hash=hit.candidate.result_hash,
                error=None,
                is_error=False,
                detail=detail,
                args_hash=args_hash,
            )

        self._log.add(self, row)

    def _stored(self, call: Call) -> str | None:
        """The hash of an answer; one that was made up or spoiled is not in the recording yet."""
        if call.result is None or call.result_hash is not None:
            return call.result_hash
        return self._log.recording.store_result(call.result)

    def begin(self) -> SessionWriter:
        """Begin the session in the recording, once."""
        if self.writer is None:
            labels = {"name": self._opening.session_id} if self._opening.session_id else {}
            self.writer = self._log.recording.begin_session(
                SessionKind.REPLAY,
                transport=self._opening.transport,
                client_info=self._client,
                protocol_version=self._version,
                labels=labels,
            )
        return self.writer

    def end(self) -> None:
        """Write what is waiting and end the session."""
        self._log.flush()
        if self.writer is not None:
            self.writer.end()
