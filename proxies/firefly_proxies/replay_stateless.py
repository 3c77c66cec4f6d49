"""Clients of the stateless era before a recording: the translation that the recorder uses, and what it means for state.

A client that names a session has one of its own. A request that names none is a session of its own as far as state goes: it
begins where sessions begin. What such requests must share to be of use (subscriptions, questions that wait for their answer) is
shared by all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import PARAM_HEADERS, Conversation, Emit, Opening
from firefly_proxies.eras import StatelessSession, stateless_result, without_envelope
from firefly_proxies.messages import (
    HANDSHAKE_VERSIONS,
    META_VERSION,
    REQUEST_CANCELLED,
    STATELESS_VERSIONS,
    RequestId,
    error,
    is_response,
    meta_of,
    params_of,
)
from firefly_proxies.param_headers import ParamHeaders

Begin = Callable[[Opening, Emit], Conversation]
"""Begins a replayed conversation in the handshake era's terms."""
Silent = Callable[[], bool]
"""Whether nothing was recorded but answers: no call has anything to tell or ask in between."""
_VERSIONS = [*STATELESS_VERSIONS, *HANDSHAKE_VERSIONS]


class ReplayedStateless(StatelessSession):
    """A stateless session over a replayed conversation. A call that can have nothing but an answer goes straight to it."""

    silent: Silent = staticmethod(lambda: False)

    async def request(self, message: JsonObject, emit: Emit) -> JsonObject:
        """Answer one request of a client."""
        if message["method"] != "tools/call" or not self.silent():
            return await super().request(message, emit)
        if self._greeting is None:
            await self._greet(message)
        refused = await self._headers.refusal(message, PARAM_HEADERS.get({}), self._tools)
        if refused is not None:
            return refused
        answer = await self._inner.request(without_envelope(message))
        if "result" in answer:
            answer["result"] = stateless_result("tools/call", answer["result"])
        return answer


class StatelessReplays:
    """The stateless clients of one replay."""

    def __init__(self, begin: Begin, silent: Silent) -> None:
        """``begin`` begins conversations for them; ``silent`` says whether there are answers alone."""
        self._begin = begin
        self._silent = silent
        self._headers = ParamHeaders()
        self._shared: ReplayedStateless | None = None

    async def session(self, opening: Opening) -> ReplayedStateless:
        """A session of its own."""
        return await self._over(lambda emit: self._begin(opening, emit))

    async def shared(self) -> ReplayedStateless:
        """The session of all clients that name none, whose every request begins anew."""
        if self._shared is None:
            self._shared = await self._over(lambda emit: Anew(self._begin, emit))
        return self._shared

    async def close(self) -> None:
        """End the shared session."""
        if self._shared is not None:
            await self._shared.close()

    async def _over(self, begin: Callable[[Emit], Conversation]) -> ReplayedStateless:
        async def opener(emit: Emit) -> Conversation:
            return begin(emit)

        session = await ReplayedStateless.begin(opener, _VERSIONS, self._headers)
        session.silent = self._silent
        return session


class Anew:
    """A conversation whose every request is one of its own."""

    def __init__(self, begin: Begin, emit: Emit) -> None:
        """Begin each with ``begin``; they emit to the same place."""
        self._begin = begin
        self._emit = emit
        self._open: list[Conversation] = []

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer a request where sessions begin."""
        one = self._begin(Opening("http", True), self._emit)
        self._open.append(one)
        try:
            return await one.request(message)
        finally:
            self._open.remove(one)
            await one.close()

    async def notify(self, message: JsonObject) -> None:
        """Pass an answer on to whichever asked."""
        if is_response(message):
            for one in self._open:
                await one.notify(message)

    async def close(self) -> None:
        """Nothing is held open."""


class Named:
    """The clients of one named session, or of a request that names none."""

    def __init__(self, session: ReplayedStateless, emit: Emit, *, own: bool) -> None:
        """``own``: whether the session ends with this conversation."""
        self._session = session
        self._emit = emit
        self._own = own

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer a request."""
        return await self._session.request(message, self._emit)

    async def notify(self, message: JsonObject) -> None:
        """This era has no notifications from clients."""

    async def close(self) -> None:
        """End the session."""
        if self._own:
            await self._session.close()


class EitherEra:
    """A client whose era only its requests tell: on stdio."""

    def __init__(self, handshake: Conversation, stateless: ReplayedStateless, emit: Emit) -> None:
        """Pass requests on to one of the two."""
        self._handshake = handshake
        self._stateless = stateless
        self._emit = emit
        self._running: dict[RequestId, asyncio.Task[JsonObject]] = {}
        self.at_once = getattr(handshake, "at_once", None)

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer in the era of the request."""
        if message["method"] != "server/discover" and META_VERSION not in meta_of(message):
            return await self._handshake.request(message)
        request_id = message["id"]
        task = asyncio.get_running_loop().create_task(self._stateless.request(message, self._emit))
        self._running[request_id] = task
        try:
            await asyncio.wait({task})
            return error(request_id, REQUEST_CANCELLED, "Request cancelled") if task.cancelled() else task.result()
        finally:
            task.cancel()
            del self._running[request_id]

    async def notify(self, message: JsonObject) -> None:
        """Only the handshake era has notifications from clients, but for the one that takes a request back."""
        if message.get("method") == "notifications/cancelled":
            running = self._running.get(params_of(message).get("requestId", ""))
            if running is not None:
                running.cancel()
                return
        await self._handshake.notify(message)

    async def close(self) -> None:
        """End both."""
        await self._stateless.close()
        await self._handshake.close()
