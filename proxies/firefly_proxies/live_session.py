"""A live session of a replayed one: a session with each real server that a miss was put to, recorded like any other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store import queries
from firefly_mcp.types import Call
from firefly_proxies import messages
from firefly_proxies.conversation import Emit
from firefly_proxies.ledger import Ledger
from firefly_proxies.link import Link
from firefly_proxies.messages import RequestId
from firefly_proxies.upstream import Listener, Upstream

_CLIENT = {"name": "firefly-replay", "version": __version__}


class LiveLedger(Ledger):
    """A ledger that can tell which call of the recording an answer became."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As :class:`~firefly_proxies.ledger.Ledger`."""
        super().__init__(*args, **settings)
        self._kept: dict[RequestId, int] = {}

    def end(self, call: int | None, answer: JsonObject) -> None:
        """Commit an answer."""
        super().end(call, answer)
        if call is not None:
            self._kept[answer["id"]] = call

    def kept(self, request_id: RequestId) -> Call | None:
        """The call that was recorded for a request, once; None if it has no answer."""
        number = self._kept.pop(request_id, None)
        return None if number is None else queries.call(self.recording, number)


class LiveServer:
    """One replayed session's own session with one real server."""

    def __init__(
        self,
        server: str,
        ledger: LiveLedger,
        connect: Callable[[Listener], Awaitable[Upstream]],
        emit: Emit,
        listed: set[str],
    ) -> None:
        """Prepare; the server is started by the first request.

        Args:
            server: its name.
            ledger: of the live session; shared by its servers.
            connect: starts the upstream.
            emit: reaches the client of the replayed session.
            listed: servers whose tools the recording has.
        """
        self.server = server
        self._ledger = ledger
        self._emit = emit
        self._link = Link(server, ledger, connect, self._hear, listed)
        self._ids = itertools.count(1)
        self._clients: dict[RequestId, RequestId] = {}
        self._envelope: JsonObject = {}
        self._greeting: asyncio.Lock = asyncio.Lock()
        self._greeted = False

    async def ask(self, method: str, params: JsonObject, client_id: RequestId | None = None) -> Call:
        """Put a request to the server.

        Args:
            method: of the request.
            params: in the server's own terms.
            client_id: the client's request that this one answers; what the server says meanwhile goes to it.

        Returns:
            The call as it was recorded.

        Raises:
            ServerError: it did not answer.
        """
        async with self._greeting:
            if not self._greeted:
                await self._greet()
                self._greeted = True
        request_id = messages.own_id(f"live-{next(self._ids)}")
        if client_id is not None:
            self._clients[request_id] = client_id
        try:
            answer = await self._link.request(messages.request(request_id, method, self._own(params)))
        finally:
            self._clients.pop(request_id, None)
        call = self._ledger.kept(request_id)
        if call is None:
            raise ServerError(_told(answer))
        return call

    async def close(self) -> None:
        """End the session with the server."""
        await self._link.close()

    async def _greet(self) -> None:
        """Begin in the handshake era; with a server that has left it behind, in the stateless one."""
        hello = {"protocolVersion": messages.LATEST_HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
        answer = await self._link.request(messages.request(messages.own_id("initialize"), "initialize", hello))
        if "result" in answer:
            await self._link.notify(messages.notification("notifications/initialized"))
            return
        if answer["error"].get("code") not in (messages.UNSUPPORTED_VERSION, messages.METHOD_NOT_FOUND):
            raise ServerError(_told(answer))
        self._envelope = {
            messages.META_VERSION: messages.LATEST_STATELESS,
            messages.META_CLIENT: _CLIENT,
            messages.META_CAPABILITIES: {},
        }
        discover = messages.request(messages.own_id("discover"), "server/discover", {"_meta": self._envelope})
        answer = await self._link.request(discover)
        if "result" not in answer:
            raise ServerError(_told(answer))

    def _own(self, params: JsonObject) -> JsonObject:
        """A client's params as this session sends them: of its ``_meta`` only what asks for progress."""
        meta = params.get("_meta")
        kept = {"progressToken": meta["progressToken"]} if isinstance(meta, dict) and "progressToken" in meta else {}
        bare = {key: value for key, value in params.items() if key != "_meta"}
        own = self._envelope | kept
        return {**bare, "_meta": own} if own else bare

    async def _hear(self, message: JsonObject, related: RequestId | None) -> None:
        """Pass on what the server tells during a client's request. What it asks is refused: no capability was offered."""
        if messages.is_request(message):
            refusal = messages.error(message["id"], messages.METHOD_NOT_FOUND, "not offered during replay")
            await self._link.notify(refusal)
        elif related in self._clients:
            await self._emit(message, self._clients[related])
        elif related is None and len(self._clients) == 1:  # on stdio a log message does not say which request it is about
            await self._emit(message, next(iter(self._clients.values())))


def _told(answer: JsonObject) -> str:
    body = answer.get("error") or {}
    if not body:
        content = (answer.get("result") or {}).get("content") or [{}]
        return str(content[0].get("text", "no answer"))
    return str(body.get("message", "no answer")).removeprefix("firefly: ")
