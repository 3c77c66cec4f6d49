"""Server processes that sessions share: one for each server of which no tool changes what another answers.

Starting a process costs a second of a core. A server whose tools only read needs no fresh one for each session; any other
server gets one, in a sandbox of its own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.connect import Connector
from firefly_proxies.messages import METHOD_NOT_FOUND, RequestId, error, is_request
from firefly_proxies.upstream import Listener, Upstream


class ServerPool:
    """Connects sessions to servers; its :meth:`connect` is what a recording proxy asks for upstreams."""

    def __init__(
        self, connector: Connector, shareable: Callable[[str], bool], started: Callable[[], None] = lambda: None
    ) -> None:
        """Share the processes of servers that are ``shareable`` when a session asks for them; ``started`` counts starts."""
        self._connector = connector
        self._shareable = shareable
        self._started = started
        self._shared: dict[str, _Shared] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def connect(self, spec: ServerSpec, listener: Listener) -> Upstream:
        """An upstream of its own, or a share in one.

        Raises:
            ServerError: the server could not be started.
        """
        if spec.command is None or not self._shareable(spec.name):
            self._started()
            return await self._connector.connect(spec, listener)
        async with self._locks[spec.name]:
            shared = self._shared.get(spec.name)
            if shared is None or shared.failed or (shared.upstream is not None and shared.upstream.ended):
                if shared is not None:
                    await shared.close()
                shared = self._shared[spec.name] = _Shared()
                self._started()
                shared.upstream = await self._connector.connect(spec, shared.hear)
        return _Share(shared)

    async def close(self) -> None:
        """End every shared process."""
        for shared in self._shared.values():
            await shared.close()
        self._shared.clear()
        await self._connector.close()


class _Shared:
    """One process, introduced once."""

    def __init__(self) -> None:
        self.upstream: Upstream | None = None
        self.failed = False
        self.hello: JsonObject | None = None
        self.introduced = False
        self.greeting = asyncio.Lock()

    async def hear(self, message: JsonObject, related: RequestId | None) -> None:
        """Nobody in particular is spoken to: requests are declined, notifications dropped."""
        if is_request(message) and self.upstream is not None:
            await self.upstream.notify(error(message["id"], METHOD_NOT_FOUND, "not offered by a client that shares the server"))

    async def close(self) -> None:
        if self.upstream is not None:
            await self.upstream.close()


class _Share:
    """One session's share: the handshake happens once, everything else is passed on."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    @property
    def ended(self) -> bool:
        return self._shared.failed or self._shared.upstream is None or self._shared.upstream.ended

    async def request(self, message: JsonObject) -> JsonObject:
        shared = self._shared
        assert shared.upstream is not None
        try:
            if message["method"] != "initialize":
                return await shared.upstream.request(message)
            async with shared.greeting:
                if shared.hello is None:
                    shared.hello = await shared.upstream.request(message)
            return {**shared.hello, "id": message["id"]}
        except ServerError:
            shared.failed = True
            raise

    async def notify(self, message: JsonObject) -> None:
        shared = self._shared
        assert shared.upstream is not None
        if message.get("method") == "notifications/initialized":
            if shared.introduced:
                return
            shared.introduced = True
        await shared.upstream.notify(message)

    async def close(self) -> None:
        """The process goes on for the other sessions."""
