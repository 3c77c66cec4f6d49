"""Event streams that can be taken up again: what was sent on a stream and what still is to be, with ids to go on from.

A client that lost a stream in the handshake era asks for the rest with ``Last-Event-ID`` (streamable HTTP, "Resumability and
Redelivery"). The stateless era has no such streams.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable

from firefly_mcp.jsonio import JsonObject
from firefly_proxies import sse

UNSENT = 1000
"""Events kept for a stream that is not open; the oldest go first."""
SENT = 100
"""Events kept after they were sent, and :data:`SENT_BYTES` of them at most."""
SENT_BYTES = 1024 * 1024
ENDED = 32
"""Streams of one session that are kept after their end, and :data:`SENT_BYTES` of them at most, not counting the newest:
what was written to a connection that broke was not received."""
RETRY_MS = 1000
"""How long a client is told to wait before it takes a stream up again."""


class Journal:
    """The events of one stream, numbered from 1; an event's id is the stream's name and its number."""

    def __init__(self, name: str) -> None:
        """``name`` is unlike that of any other stream of the session."""
        self.name = name
        self.ended = False
        self.detached = False
        """Whether the request that the stream began with has lost its client, or the client has taken it up elsewhere."""
        self.on_change: Callable[[], None] | None = None
        self._events: deque[bytes] = deque()
        self._first = 1
        self._next = 1
        self._sent_bytes = 0
        self.bytes = 0
        """Of all events that are kept."""

    def prime(self) -> bytes:
        """An event to begin the stream with, so that a client can go on from it before there is anything else."""
        return f"id: {self.name}-0\r\nretry: {RETRY_MS}\r\ndata: \r\n\r\n".encode()

    def add(self, message: JsonObject) -> None:
        """Append a message."""
        number = self._first + len(self._events)
        self._events.append(sse.encode(message, f"{self.name}-{number}"))
        self.bytes += len(self._events[-1])
        while number - self._next >= UNSENT:
            self.take()
        if self.on_change is not None:
            self.on_change()

    def take(self) -> bytes | None:
        """The next event to send, or None. It is kept for a while in case it does not arrive."""
        index = self._next - self._first
        if index >= len(self._events):
            return None
        data = self._events[index]
        self._next += 1
        self._sent_bytes += len(data)
        while self._next - self._first > SENT or self._sent_bytes > SENT_BYTES:
            dropped = len(self._events.popleft())
            self._sent_bytes -= dropped
            self.bytes -= dropped
            self._first += 1
        return data

    def sent_after(self, number: int) -> list[bytes]:
        """What was sent after an event, as far as it is kept."""
        return [self._events[n - self._first] for n in range(max(number + 1, self._first), self._next)]

    def end(self) -> None:
        """Say that nothing follows."""
        self.ended = True
        if self.on_change is not None:
            self.on_change()


class Journals:
    """The streams of one channel that can be taken up again."""

    def __init__(self) -> None:
        self._prefix = uuid.uuid4().hex[:8]
        self._count = 0
        self._open: dict[str, Journal] = {}

    def begin(self) -> Journal:
        """A journal for a stream that begins."""
        self._count += 1
        journal = self._open[f"{self._prefix}.{self._count}"] = Journal(f"{self._prefix}.{self._count}")
        size = 0
        for number, other in enumerate([other for other in reversed(self._open.values()) if other.ended]):
            if number >= ENDED or (number and size + other.bytes > SENT_BYTES):
                self.forget(other)
            size += other.bytes
        return journal

    def forget(self, journal: Journal) -> None:
        """Drop a journal."""
        self._open.pop(journal.name, None)

    def find(self, event_id: str) -> tuple[Journal, int] | None:
        """The journal of an event and the event's number, or None if it is not known."""
        name, _, number = event_id.rpartition("-")
        journal = self._open.get(name)
        return (journal, int(number)) if journal is not None and number.isascii() and number.isdigit() else None
