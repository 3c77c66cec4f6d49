"""What the HTTP front writes: one JSON answer, or an event stream once there is something to say before the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from firefly_mcp.jsonio import JsonObject, dumps
from firefly_proxies import sse
from firefly_proxies.journal import Journal, Journals
from firefly_proxies.messages import RequestId, params_of, with_subscription

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

PING_SECONDS = 15.0
"""A stream or a request that is silent for so long gets a comment line, so that nothing on the way cuts it."""
_WATCH_AFTER_SECONDS = 0.05
"""Most requests are answered sooner, and cost no task that watches for their client's departure."""
_JSON = (b"content-type", b"application/json")
STREAM_HEADERS: HeaderList = [
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
        "_journal",
        "_journals",
        "_lock",
        "_loop",
        "_on_departure",
        "_prime",
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
        self,
        receive: Receive,
        send: Send,
        headers: HeaderList,
        *,
        on_departure: Callable[[], object] | None = None,
        journals: Journals | None = None,
        prime: bool = False,
    ) -> None:
        """Begin.

        Args:
            receive: of the ASGI request, whose body was read.
            send: of the ASGI request.
            headers: to send with the answer.
            on_departure: called when the client drops the connection before the answer.
            journals: where to keep the stream, if it becomes one, for a client that loses it; None keeps nothing.
            prime: begin a stream that is kept with an event without a message: older clients stumble over it.
        """
        self._receive = receive
        self._send = send
        self._headers = headers
        self._on_departure = on_departure
        self._journals = journals
        self._journal: Journal | None = None
        self._prime = prime
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
        await self._say(message)
        return True

    @property
    def lost(self) -> bool:
        """Whether the client has lost the stream, and has not taken it up again yet."""
        return self._journal is not None and self._journal.detached and self._journal.on_change is None

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
        await self._say(answer)
        if self._journal is not None:
            self._journal.end()
        await self._send({"type": "http.response.body", "body": b""})

    def leave(self) -> None:
        """Stop watching the connection; nothing is pushed any more."""
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        if self._attendant is not None:
            self._attendant.cancel()
            self._attendant = None

    async def _say(self, message: JsonObject) -> None:
        """Send a message as an event, or leave it in the journal for a client that has lost the stream."""
        if self._journals is None:
            await self._write(sse.encode(message))
            return
        if self._journal is None:
            self._journal = self._journals.begin()
        self._journal.add(message)
        if not self._journal.detached and (event := self._journal.take()) is not None:
            await self._write(event)

    async def _write(self, data: bytes) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if not self._streaming:
                self._streaming = True
                await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS + self._headers})
                if self._prime and self._journals is not None:
                    self._journal = self._journal or self._journals.begin()
                    await self._body(self._journal.prime())
            await self._body(data)

    async def _body(self, data: bytes) -> None:
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
                if self._journal is not None:
                    self._journal.detached = True
                elif not self.gone:
                    self.gone = True
                    if self._on_departure is not None:
                        self._on_departure()
                return
