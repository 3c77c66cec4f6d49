"""The GET stream of a handshake session: what no request asked for, or the rest of a request's stream that was lost."""

from __future__ import annotations

import asyncio

from firefly_proxies import sse
from firefly_proxies.http_streams import PING_SECONDS, STREAM_HEADERS, HeaderList, Receive, Send
from firefly_proxies.journal import Journal


class EventStream:
    """A GET stream: sends what is in a journal, and what comes into it, until the journal or the client ends it."""

    def __init__(self, receive: Receive, send: Send, headers: HeaderList, journal: Journal, after: int | None = None) -> None:
        """``after`` is the number of the event from which to go on: what was sent since is sent again."""
        self._receive = receive
        self._send = send
        self._headers = headers
        self._journal = journal
        self._again = [] if after is None else journal.sent_after(after)
        self._wake = asyncio.Event()
        self.closed = False
        self.left = False

    def wake(self) -> None:
        """Say that the journal has grown or ended."""
        self._wake.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._wake.set()

    async def run(self) -> None:
        """Serve the stream until its journal ends, the client leaves or :meth:`close` is called."""
        watcher = asyncio.get_running_loop().create_task(self._watch())
        try:
            await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS + self._headers})
            await self._body(b": open\r\n\r\n")  # a comment: sends the headers on their way
            for data in self._again:
                await self._body(data)
            while not self.closed:
                self._wake.clear()
                while not self.closed and (event := self._journal.take()) is not None:
                    await self._body(event)
                if self._journal.ended:
                    break
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    await self._body(sse.KEEP_ALIVE)
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            self.closed = True
            watcher.cancel()

    async def _body(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self.close()
