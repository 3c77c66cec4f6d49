"""Server-sent events, as MCP uses them: encoding one message, and decoding a stream chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject, dumps

KEEP_ALIVE = b": ping\r\n\r\n"
"""A comment line: keeps a silent stream open through proxies that cut idle ones."""


def encode(message: JsonObject, event_id: str | None = None) -> bytes:
    """One JSON-RPC message as one event. Compact JSON has no line breaks, so one ``data`` line is enough."""
    head = b"event: message\r\ndata: " if event_id is None else f"event: message\r\nid: {event_id}\r\ndata: ".encode()
    return head + dumps(message) + b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event."""

    data: str
    event: str = "message"
    id: str | None = None
    retry_ms: int | None = None


class Decoder:
    """Splits a byte stream into events, by the rules of the WHATWG HTML standard, section 9.2.6."""

    def __init__(self, *, limit: int) -> None:
        """``limit`` is the most bytes that one event may have."""
        self._limit = limit
        self._buffer = b""
        self._data: list[str] = []
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and give the events that they complete.

        Raises:
            ServerError: one event is larger than the limit.
        """
        data = self._buffer + chunk
        # A carriage return at the very end may be the first half of a line break.
        tail = b"\r" if data.endswith(b"\r") else b""
        lines = data[: len(data) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._buffer = lines.pop() + tail
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif (event := self._dispatch()) is not None:
                events.append(event)
        if self._size + len(self._buffer) > self._limit:
            raise ServerError(f"one event of the stream is larger than {self._limit} bytes")
        return events

    def _take(self, line: bytes) -> None:
        self._size += len(line)
        name, _, raw = line.decode("utf-8", "replace").partition(":")
        value = raw.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value)

    def _dispatch(self) -> Event | None:
        seen = bool(self._data) or self._id is not None or self._retry is not None
        event = Event("\n".join(self._data), self._event or "message", self._id, self._retry) if seen else None
        self._data, self._event, self._id, self._retry, self._size = [], "", None, None, 0
        return event
