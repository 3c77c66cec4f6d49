"""Stateless clients before servers that are processes, or several: which session serves them, and in which era.

A server that speaks the stateless era itself is spoken to in it (:mod:`firefly_proxies.native`); any other, and a gateway, by
translation (:mod:`firefly_proxies.eras`). Clients that name a session have one of their own. All that name none share one:
they share the server's process and so its state, and what they do belongs into one session of the recording.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from firefly_mcp.errors import FireflyError
from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.eras import StatelessSession
from firefly_proxies.link import failure
from firefly_proxies.messages import HANDSHAKE_VERSIONS, STATELESS_VERSIONS, UNSUPPORTED_VERSION, error, version_of
from firefly_proxies.native import NativeSession
from firefly_proxies.param_headers import ParamHeaders

PROBE_SECONDS = 20.0
"""A server that says nothing to ``server/discover`` for so long does not speak the stateless era."""


class Inner(Conversation, Protocol):
    """A recorded conversation with the servers."""

    @property
    def dead(self) -> bool:
        """Whether every server is gone."""


class Session(Protocol):
    """What serves stateless clients."""

    async def request(self, message: JsonObject, emit: Emit) -> JsonObject:
        """Answer one request of a client."""

    async def close(self) -> None:
        """End the session."""


OpenInner = Callable[[Opening, Emit], Inner]


class StatelessSessions:
    """The sessions of the stateless clients of one proxy."""

    def __init__(self, open_inner: OpenInner, *, may_be_native: bool) -> None:
        """``may_be_native``: whether the server may be asked if it speaks the stateless era."""
        self._open_inner = open_inner
        self._native = None if may_be_native else False
        self._headers = ParamHeaders()
        self._shared: tuple[Session, Inner] | None = None
        self._sharing = asyncio.Lock()
        self.handshake_refused = False

    def refuse_handshake(self) -> None:
        """Note that the server refused ``initialize``, as one does that speaks the stateless era alone."""
        self.handshake_refused = True

    def conversation(self, opening: Opening, emit: Emit) -> Conversation:
        """The conversation of a named session, or of one request that names none."""
        if opening.session_id is not None:
            return Named(lambda message: self._begin(opening, message), emit)
        return Unnamed(self, opening, emit)

    async def shared(self, opening: Opening, message: JsonObject) -> Session:
        """The session of all clients that name none, begun anew when its server is gone.

        Raises:
            FireflyError: it cannot begin.
        """
        if self._shared is not None and not self._shared[1].dead:
            return self._shared[0]
        async with self._sharing:
            if self._shared is not None and self._shared[1].dead:
                await self._shared[0].close()
                self._shared = None
            if self._shared is None:
                self._shared = await self._begin(opening, message)
            return self._shared[0]

    async def close(self) -> None:
        """End the shared session; the named ones end with their conversations."""
        if self._shared is not None:
            await self._shared[0].close()

    async def _begin(self, opening: Opening, message: JsonObject) -> tuple[Session, Inner]:
        """Begin a session for the client of ``message``."""
        if self._native is not False:
            native = NativeSession(self._headers)
            inner = self._opened(opening, native.hear)
            native.use(inner)
            try:
                greeted = await self._greeted(native, message)
            except asyncio.CancelledError:  # the client is gone, and nobody else knows of what was started for it
                await native.close()
                raise
            if greeted:
                self._native = True
                return native, inner
            if not inner.dead:  # of a server that did not start, nothing is known
                self._native = False
            await native.close()
        opened: list[Inner] = []

        async def opener(emit: Emit) -> Conversation:
            opened.append(self._opened(opening, emit))
            return opened[0]

        versions = [*STATELESS_VERSIONS, *HANDSHAKE_VERSIONS]
        return await StatelessSession.begin(opener, versions, self._headers), opened[0]

    def _opened(self, opening: Opening, emit: Emit) -> Inner:
        stated = Opening(opening.transport, False, opening.query, opening.headers, opening.session_id)
        return self._open_inner(stated, emit)

    async def _greeted(self, native: NativeSession, message: JsonObject) -> bool:
        if self._native:
            return await native.greet(message)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await native.greet(message)
        except TimeoutError:
            return False


class Named:
    """The clients of one named session."""

    def __init__(self, begin: Callable[[JsonObject], Awaitable[tuple[Session, Inner]]], emit: Emit) -> None:
        """``begin`` begins the session, with the first request."""
        self._begin = begin
        self._emit = emit
        self._beginning = asyncio.Lock()
        self._session: Session | None = None

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer a request."""
        if self._session is None:
            try:
                async with self._beginning:
                    if self._session is None:
                        self._session, _ = await self._begin(message)
            except FireflyError as trouble:
                return failure(message["id"], trouble)
        return await self._session.request(message, self._emit)

    async def notify(self, message: JsonObject) -> None:
        """This era has no notifications from clients."""

    async def close(self) -> None:
        """End the session."""
        if self._session is not None:
            await self._session.close()


class Unnamed:
    """A request that names no session.

    Discovery tells of the handshake versions alone, so that a client that can choose takes a session, and a process, of its
    own; unless the server has no other era.
    """

    def __init__(self, sessions: StatelessSessions, opening: Opening, emit: Emit) -> None:
        """Answer from the shared session of ``sessions``."""
        self._sessions = sessions
        self._opening = opening
        self._emit = emit

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer a request."""
        if message["method"] == "server/discover" and not self._sessions.handshake_refused:
            data = {"supported": list(HANDSHAKE_VERSIONS), "requested": version_of(message)}
            said = "Unsupported protocol version: initialize, or name a session"
            return error(message["id"], UNSUPPORTED_VERSION, said, data)
        try:
            session = await self._sessions.shared(self._opening, message)
        except FireflyError as trouble:
            return failure(message["id"], trouble)
        return await session.request(message, self._emit)

    async def notify(self, message: JsonObject) -> None:
        """This era has no notifications from clients."""

    async def close(self) -> None:
        """The session stays for the others."""
