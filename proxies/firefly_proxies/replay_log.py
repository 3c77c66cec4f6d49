"""The log of replayed calls, written in batches: it must not cost a replayed call a commit of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Answer
from firefly_mcp.store.recording import Recording, SessionWriter
from firefly_mcp.types import Call, SessionKind
from firefly_proxies.conversation import Opening

BATCH = 500


@dataclass(frozen=True, slots=True)
class _Entry:
    log: ReplaySessionLog
    server: str
    method: str
    params: JsonObject
    answer: Answer
    at: float


class ReplayLog:
    """Collects replayed calls and writes them when a batch is full, a session ends, or replay stops."""

    def __init__(self, recording: Recording) -> None:
        """Log into ``recording``."""
        self.recording = recording
        self._waiting: list[_Entry] = []

    def session(self, opening: Opening) -> ReplaySessionLog:
        """The log of one session; it is in the recording once it has made a call."""
        return ReplaySessionLog(self, opening)

    def add(self, entry: _Entry) -> None:
        """Take in one call."""
        self._waiting.append(entry)
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting, in one transaction."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        for entry in waiting:
            entry.log.begin()
        with self.recording.transaction():
            for entry in waiting:
                assert entry.log.writer is not None
                call = entry.answer.call
                detail: JsonObject = {
                    "variants": entry.answer.variants,
                    "state": "same" if entry.answer.same_state else "other",
                }
                if entry.answer.miss is not None:
                    miss = entry.answer.miss
                    detail = {"cause": miss.cause, "why": miss.message, "nearest": miss.nearest}
                detail |= entry.answer.notes
                entry.log.writer.add_replayed(
                    entry.server,
                    entry.method,
                    entry.params,
                    started_at=entry.at,
                    match=None if entry.answer.instead else str(entry.answer.kind),
                    source_call=entry.answer.source,
                    result_hash=None if call is None else self._stored(call),
                    error=None if call is None else call.error,
                    is_error=call is None or call.is_error,
                    detail=detail,
                )

    def _stored(self, call: Call) -> str | None:
        """The hash of an answer; one that was made up or spoiled is not in the recording yet."""
        if call.result is None or call.result_hash is not None:
            return call.result_hash
        return self.recording.store_result(call.result)


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
        self._log.add(_Entry(self, server, method, params, answer, time.time()))

    def begin(self) -> None:
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

    def end(self) -> None:
        """Write what is waiting and end the session."""
        self._log.flush()
        if self.writer is not None:
            self.writer.end()
