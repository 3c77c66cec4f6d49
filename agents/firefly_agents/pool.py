"""Server processes that sessions share: one for each server of which no tool changes what another answers.

Starting a process costs a second of a core. A server whose tools only read needs no fresh one for each session; any other
server gets one, in a sandbox of its own. Shared processes that nobody uses are ended where too many live at once, those that
were idle longest first.
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
        self,
        connector: Connector,
        shareable: Callable[[str], bool],
        started: Callable[[], None] = lambda: None,
        *,
        live: int = 16,
        rate: float | None = None,
    ) -> None:
        """Share processes.

        Args:
            connector: starts them.
            shareable: whether the process of a server may serve many sessions.
            started: told of each start.
            live: idle processes are ended while more than so many live; those in use are not counted out.
            rate: the most calls a second that a server gets, over all sessions.
        """
        self._connector = connector
        self._live = live
        self._owned = 0
        self._paces: dict[str, Pace] = defaultdict(lambda: Pace(rate))
        self._shareable = shareable
        self._started = started
        self._shared: dict[str, _Shared] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def connect(self, spec: ServerSpec, listener: Listener) -> Upstream:
        """An upstream of its own, or a share in one.

        Raises:
            ServerError: the server could not be started.
        """
        pace = self._paces[spec.name]
        if spec.command is None or not self._shareable(spec.name):
            await self._make_room()
            self._started()
            self._owned += 1
            try:
                upstream = await self._connector.connect(spec, listener)
            except BaseException:
                self._owned -= 1
                raise
            return Paced(upstream, pace, self._ended)
        async with self._locks[spec.name]:
            shared = self._shared.pop(spec.name, None)
            if shared is None or shared.failed or (shared.upstream is not None and shared.upstream.ended):
                if shared is not None:
                    await shared.close()
                await self._make_room()
                shared = _Shared()
                self._started()
                shared.upstream = await self._connector.connect(spec, shared.hear)
            self._shared[spec.name] = shared  # the one used last stands last
            shared.users += 1
        return Paced(_Share(shared), pace)

    async def _make_room(self) -> None:
        """End shared processes that nobody uses, the longest idle first, until one more may live."""
        for name, shared in list(self._shared.items()):
            if self._owned + len(self._shared) < self._live:
                return
            # While one is closed, another session may have taken the next, or ended it as well.
            idle = self._shared.get(name) is shared and not shared.users
            if idle and not self._locks[name].locked():
                del self._shared[name]
                await shared.close()

    def _ended(self) -> None:
        self._owned -= 1

    async def close(self) -> None:
        """End every shared process."""
        for shared in self._shared.values():
            await shared.close()
        self._shared.clear()
        await self._connector.close()


class Pace:
    """Spaces calls: the next one begins no sooner than its turn."""

    def __init__(self, rate: float | None) -> None:
        """Let ``rate`` calls begin in a second; None for no limit."""
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0

    def book(self, now: float) -> float:
        """Take the next turn; gives the seconds until it comes."""
        at = max(now, self._next)
        self._next = at + self._gap
        return at - now

    async def turn(self) -> None:
        """Wait for a turn."""
        wait = self.book(asyncio.get_running_loop().time()) if self._gap else 0.0
        if wait > 0:
            await asyncio.sleep(wait)


class Paced:
    """An upstream whose tool calls wait for their turn."""

    def __init__(self, upstream: Upstream, pace: Pace, ended: Callable[[], None] = lambda: None) -> None:
        """Pass everything on to ``upstream``; ``ended`` is told when it is closed."""
        self._upstream = upstream
        self._pace = pace
        self._tell: Callable[[], None] | None = ended

    @property
    def ended(self) -> bool:
        """Whether it can no longer be asked."""
        return self._upstream.ended

    async def request(self, message: JsonObject) -> JsonObject:
        """Ask."""
        if message["method"] == "tools/call":
            await self._pace.turn()
        return await self._upstream.request(message)

    async def notify(self, message: JsonObject) -> None:
        """Tell."""
        await self._upstream.notify(message)

    async def close(self) -> None:
        """End the session with the server."""
        try:
            await self._upstream.close()
        finally:
            tell, self._tell = self._tell, None
            if tell is not None:
                tell()


class _Shared:
    """One process, introduced once."""

    def __init__(self) -> None:
        self.upstream: Upstream | None = None
        self.users = 0
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
        self._open = True

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
        self._shared.users -= self._open
        self._open = False
