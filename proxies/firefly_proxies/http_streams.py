"""What the HTTP front writes: one JSON answer, or an event stream once there is something to say before the answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from firefly_mcp.jsonio import JsonObject, dumps
from firefly_proxies import sse
from firefly_proxies.messages import RequestId, params_of, with_subscription

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

PING_SECONDS = 15.0
"""A stream or a request that is silent for so long gets a comment line, so that nothing on the way cuts it."""
_WATCH_AFTER_SECONDS = 0.05
"""Most requests are answered sooner, and cost no task that watches for their client's departure."""
_JSON = (b"content-type", b"application/json")
_STREAM: HeaderList = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


async def send_json(send: Send, status: int, body: JsonObject, headers: HeaderList) -> None:
    """Send one JSON document."""
    data = dumps(body)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [_JSON, (b"content-length", b"%d" % len(data)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": data})


async def send_empty(send: Send, status: int, headers: HeaderList) -> None:
    """Send a status and no body."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]})
    await send({"type": "http.response.body", "body": b""})


class Exchange:
    """One POSTed request on its way to its answer."""

    __slots__ = (
        "_attendant",
        "_headers",
        "_lock",
        "_loop",
        "_on_departure",
        "_receive",
        "_send",
        "_streaming",
        "_timer",
        "alias",
        "cancelled",
        "gone",
        "original_id",
        "original_token",
        "owner",
    )

    def __init__(
        self, receive: Receive, send: Send, headers: HeaderList, *, on_departure: Callable[[], object] | None = None
    ) -> None:
        """Begin.

        Args:
            receive: of the ASGI request, whose body was read.
            send: of the ASGI request.
            headers: to send with the answer.
            on_departure: called when the client drops the connection before the answer.
        """
        self._receive = receive
        self._send = send
        self._headers = headers
        self._on_departure = on_departure
        self._lock: asyncio.Lock | None = None
        self._streaming = False
        self._attendant: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(_WATCH_AFTER_SECONDS, self._attend)
        self.gone = False
        self.cancelled = False
        self.owner: str | None = None
        self.original_id: RequestId | None = None
        self.original_token: Any = None
        self.alias: RequestId | None = None

    async def push(self, message: JsonObject) -> bool:
        """Send a message ahead of the answer. Returns False when the client is gone or has its answer."""
        if self.gone:
            return False
        if self.alias is not None:
            message = self._in_own_terms(message, self.alias)
        await self._write(sse.encode(message))
        return True

    def _in_own_terms(self, message: JsonObject, alias: RequestId) -> JsonObject:
        """A message that names the request's alias, with what its client knows the request by."""
        if params_of(message).get("progressToken") == alias:
            message = {**message, "params": {**message["params"], "progressToken": self.original_token}}
        return message if self.original_id is None else with_subscription(message, self.original_id)

    async def finish(self, answer: JsonObject, status: int = 200, headers: HeaderList | None = None) -> None:
        """Send the answer, as JSON or as the last event of the stream."""
        self.leave()
        if not self._streaming:
            await send_json(self._send, status, answer, self._headers + headers if headers else self._headers)
            return
        await self._write(sse.encode(answer))
        await self._send({"type": "http.response.body", "body": b""})

    def leave(self) -> None:
        """Stop watching the connection; nothing is pushed any more."""
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        if self._attendant is not None:
            self._attendant.cancel()
            self._attendant = None

    async def _write(self, data: bytes) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if not self._streaming:
                self._streaming = True
                await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM + self._headers})
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def _attend(self) -> None:
        self._timer = None
        self._attendant = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    received = await self._receive()
            except TimeoutError:
                await self._write(sse.KEEP_ALIVE)
                continue
            if received["type"] == "http.disconnect":
                if not self.gone:
                    self.gone = True
                    if self._on_departure is not None:
                        self._on_departure()
                return


class EventStream:
    """A GET stream: carries what no request of the client asked for, from a backlog that it shares with its successors."""

    def __init__(self, receive: Receive, send: Send, headers: HeaderList, backlog: deque[JsonObject]) -> None:
        """``backlog`` holds the messages to send; they are taken from its left."""
        self._receive = receive
        self._send = send
        self._headers = headers
        self._backlog = backlog
        self._wake = asyncio.Event()
        self.closed = False

    def wake(self) -> None:
        """Say that the backlog grew."""
        self._wake.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._wake.set()

    async def run(self) -> None:
        """Serve the stream until the client leaves or :meth:`close` is called."""
        watcher = asyncio.get_running_loop().create_task(self._watch())
        try:
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM + self._headers})
            await self._body(b": open\r\n\r\n")  # a comment: sends the headers on their way
            while not self.closed:
                self._wake.clear()
                while self._backlog and not self.closed:
                    await self._body(sse.encode(self._backlog.popleft()))
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
        self.close()
