"""uvicorn's HTTP protocol, with the head and the body of a short answer in one write.

uvicorn writes the head of an answer as soon as it is known, and the body after it: two system calls, and two wake-ups of a
client on the same machine, which cost a relayed call more than most of what is done with it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "


class OneWriteProtocol(HttpToolsProtocol):
    """Holds each head back until the body's first piece, or until the event loop's next turn."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give uvicorn a transport that joins writes."""
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]


class _Joining:
    """A transport that keeps a head until the next write. All else is the transport's own."""

    __slots__ = ("_flushing", "_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._flushing: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Asked for each answer, so not left to ``__getattr__``."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, unless it is a head: that goes with what comes next."""
        if self._head:
            data = self._head + data
            self._take_back()
        elif data.startswith(_HEAD):
            self._head = data
            self._flushing = self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Write what is held, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head = self._head
            self._take_back()
            self._transport.write(head)

    def _take_back(self) -> None:
        self._head = b""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
