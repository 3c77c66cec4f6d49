"""One HTTP/1.1 connection that POSTs are made over, and the reply that is on it: httptools on an asyncio protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools
from multidict import CIMultiDict

_PARK_SECONDS = 2.0
"""How long the rest of a reply that nobody reads may take, so that its connection can be used again."""
_HIGH_WATER = 256 * 1024
"""Bytes of a reply that wait to be read before the server is made to wait."""


class Connection(asyncio.Protocol):
    """One connection, and the reply that is on it now."""

    def __init__(self, keep: Callable[[Connection], None]) -> None:
        """``keep`` is told when a reply was read to its end and the next request may be sent."""
        self._keep = keep
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._parking: asyncio.TimerHandle | None = None
        self._paused = False
        self.lost = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._headed = self._complete = self._reusable = self._parked = False
        self.status = 0

    @property
    def headers(self) -> CIMultiDict[str]:
        """The reply's headers."""
        return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields)

    @property
    def content_type(self) -> str:
        """Its media type, without parameters."""
        for name, value in self._fields:
            if name.lower() == b"content-type":
                return value.partition(b";")[0].strip().lower().decode("latin-1")
        return "application/octet-stream"

    @property
    def content(self) -> Connection:
        """What :meth:`iter_any` is called on."""
        return self

    def iter_any(self) -> Connection:
        """The body, in the pieces that come."""
        return self

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> bytes:
        """The next piece of the body.

        Raises:
            OSError: the connection ended within the reply.
        """
        while not self._chunks:
            if self._complete:
                raise StopAsyncIteration
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            await self._wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        return chunk

    async def send(self, data: bytes) -> None:
        """Send a request, and wait for the headers of its reply."""
        self._begin()
        self._transport.write(data)
        while not self._headed:
            await self._wait()

    def park(self) -> None:
        """Give the connection back: now, or when the rest of the reply has come, or never if that takes long."""
        self._parked = True
        self._chunks.clear()
        if self._complete:
            self._give_back()
        elif self.lost:
            self.close()
        else:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._parking = asyncio.get_running_loop().call_later(_PARK_SECONDS, self.close)

    def close(self) -> None:
        """Close it."""
        self.lost = True
        self._transport.close()

    async def _wait(self) -> None:
        if self.lost:
            raise ConnectionResetError("the server closed the connection")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _give_back(self) -> None:
        if self._parking is not None:
            self._parking.cancel()
            self._parking = None
        if self._reusable and not self.lost:
            self._keep(self)
        else:
            self.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it

    def data_received(self, data: bytes) -> None:
        """Bytes of a reply."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
        if self._size > _HIGH_WATER and not self._complete and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by either side."""
        framed = {b"content-length", b"transfer-encoding"}
        if self._headed and exc is None and not any(name.lower() in framed for name, _ in self._fields):
            self._complete = True  # a body that ends with the connection
        self.lost = True
        if self._parking is not None:
            self._parking.cancel()
        self._wake()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """All headers."""
        self.status = self._parser.get_status_code()
        self._headed = self.status >= 200

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._parked:
            self._chunks.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        """The end of the reply, or of an interim one."""
        if self.status < 200:
            self._fields.clear()
            return
        self._complete = True
        self._reusable = self._parser.should_keep_alive()
        if self._parked:
            self._give_back()
