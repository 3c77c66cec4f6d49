"""The HTTP protocol of a worker: each request is looked at before it is parsed, and handed over if it belongs elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import uvicorn

from firefly_proxies.http_shortcut import ShortcutProtocol
from firefly_proxies.worker_desk import Desk, Guest, Handed

_LONGEST_HEAD = 64 * 1024
Adopt = Callable[[Guest], object]
"""Makes a session of another worker known to the front, before its request comes."""


class WorkerProtocol(ShortcutProtocol):
    """Keeps what is read until it is clear where it belongs."""

    desk: Desk
    body_limit: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with what another worker has read, if the connection comes from one."""
        super().connection_made(transport)
        self._early = b""
        handed: Handed | None = getattr(self, "handed", None)
        if handed is not None:
            (self._here if handed.final else self.data_received)(handed.data)

    def data_received(self, data: bytes) -> None:
        """Take the request, or hand it over."""
        if self._inside or not self._idle():
            super().data_received(data)
            return
        data = self._early + data
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._early = data
            if len(data) > _LONGEST_HEAD:
                self._here(data)
            return
        head = self.desk.head(data[:end])
        length = head.length or 0
        if len(data) - end < length <= self.body_limit:
            self._early = data
            return
        place = self.desk.place(head, data[end:])
        if place.worker == self.desk.number:
            self._here(data)
            return
        self._early = b""
        fd = os.dup(self._direct.get_extra_info("socket").fileno())
        self._direct.abort()
        self.desk.hand_over(place, fd, data)

    def _here(self, data: bytes) -> None:
        self._early = b""
        super().data_received(data)


def worker_protocol(desk: Desk, body_limit: int) -> type[WorkerProtocol]:
    """The protocol of the worker at ``desk``."""
    return type("WorkerProtocol", (WorkerProtocol,), {"desk": desk, "body_limit": body_limit})


def receive(desk: Desk, config: uvicorn.Config, server: uvicorn.Server, adopt: Callable[[Guest], Any]) -> None:
    """Serve the connections that other workers hand over."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    async def serve(handed: Handed) -> None:
        if handed.guest is not None:
            await adopt(handed.guest)

        def protocol() -> WorkerProtocol:
            made: Any = config.http_protocol_class
            one: WorkerProtocol = made(config=config, server_state=server.server_state, app_state={}, _loop=loop)
            one.handed = handed  # type: ignore[attr-defined]
            return one

        await loop.connect_accepted_socket(protocol, handed.sock)

    def take(handed: Handed) -> None:
        task = loop.create_task(serve(handed))
        running.add(task)
        task.add_done_callback(running.discard)

    desk.listen(take)
