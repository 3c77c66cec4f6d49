"""Requests that get no answer: the fault ``drop``."""

from __future__ import annotations

import asyncio
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.messages import REQUEST_CANCELLED, RequestId, error


class Silence:
    """The requests of one session that wait for an answer which does not come."""

    def __init__(self) -> None:
        self._waiting: dict[RequestId, asyncio.Event] = {}

    async def keep(self, request_id: RequestId) -> JsonObject:
        """Say nothing until the client cancels the request or the session ends; what is returned then, nobody waits for."""
        event = self._waiting[request_id] = asyncio.Event()
        try:
            await event.wait()
        finally:
            self._waiting.pop(request_id, None)
        return error(request_id, REQUEST_CANCELLED, "Request cancelled")

    def release(self, request_id: Any) -> None:
        """The client has cancelled a request."""
        event = self._waiting.get(request_id) if isinstance(request_id, int | str) else None
        if event is not None:
            event.set()

    def release_all(self) -> None:
        """The session ends."""
        for event in self._waiting.values():
            event.set()
