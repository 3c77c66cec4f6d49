"""One client session's link to one server: passes messages on unchanged, and records what passes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable

from firefly_mcp.errors import FireflyError, ServerError, StoreError
from firefly_mcp.jsonio import JsonObject
from firefly_proxies.ledger import Ledger
from firefly_proxies.messages import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    META_CAPABILITIES,
    META_CLIENT,
    META_VERSION,
    HttpError,
    RequestId,
    error,
    is_request,
    is_response,
    meta_of,
    own_id,
    params_of,
    request,
    tool_error,
    version_of,
)
from firefly_proxies.upstream import Listener, RefusedError, Upstream

_PAGES = 100
"""A server that pages on for ever is not followed further."""
_SNAPSHOT_SECONDS = 2.0
"""How long a client that leaves early may keep the proxy from asking a server for the rest of its tools."""
_NOT_CALLS = frozenset({"initialize", "server/discover", "ping", "logging/setLevel", "tools/list"})
_GREETINGS = frozenset({"initialize", "server/discover"})
_SESSION_NOTES = ("list_changed", "notifications/resources/updated", "notifications/elicitation/complete")
_STANDING = frozenset({"subscriptions/listen"})


class Link:
    """Relays and records for one server. The server is started with the first request."""

    def __init__(
        self,
        server: str,
        ledger: Ledger,
        connect: Callable[[Listener], Awaitable[Upstream]],
        listener: Listener,
        listed: set[str],
    ) -> None:
        """Prepare a link.

        Args:
            server: the server's name.
            ledger: where to record; several links of one session share it.
            connect: starts the upstream, once.
            listener: takes what the server says unasked, after it was recorded.
            listed: servers whose tools the recording has; shared by the sessions of a proxy.
        """
        self.server = server
        self._ledger = ledger
        self._connect = connect
        self._listener = listener
        self._listed = listed
        self._upstream: Upstream | None = None
        self._starting = asyncio.Lock()
        self._failure: ServerError | None = None
        self._calls: dict[RequestId, int | None] = {}
        self._newest: list[int] = []
        self._ended: int | None = None
        self._asked: dict[RequestId, int | None] = {}
        self._cancelled: set[RequestId] = set()
        self._page: list[JsonObject] = []
        self._next_page: object = None
        self._version = ""
        self._hello: JsonObject | None = None
        self._greeted = False
        self._snapshot: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)

    async def request(self, message: JsonObject) -> JsonObject:
        """Relay a client's request and record it; trouble is answered as an error."""
        method = message["method"]
        if method in _NOT_CALLS:
            return await self._converse(method, message)
        if method == "tools/call" and self.server not in self._listed and self._snapshot is None:
            place = self._ledger.place
            self._snapshot = asyncio.get_running_loop().create_task(self._list_tools(message, place))
        request_id = message["id"]
        version = version_of(message)
        if version is not None:
            self._meet(message, version)
        try:
            call = self._ledger.begin(self.server, method, message.get("params"))
        except StoreError as trouble:
            return _not_recorded(message, f"the call was not made, because it cannot be recorded: {trouble}")
        self._calls[request_id] = call
        if call is not None and method not in _STANDING:
            self._newest.append(call)
        try:
            answer = await (await self._started()).request(message)
        except asyncio.CancelledError:
            self._ledger.cancel(call)
            raise
        except FireflyError as trouble:
            self._ledger.abandon(call)
            return self._failed(request_id, trouble)
        finally:
            self._calls.pop(request_id, None)
            if call in self._newest:
                self._newest.remove(call)
                self._ended = call
        if request_id in self._cancelled:
            self._cancelled.discard(request_id)
            self._ledger.cancel(call)
            return answer
        try:
            self._ledger.end(call, answer)
        except StoreError as trouble:
            return _not_recorded(message, f"the call was made, but its answer cannot be recorded: {trouble}")
        return answer

    async def notify(self, message: JsonObject) -> None:
        """Relay a client's notification, or its response to a request of the server."""
        if self._upstream is None or self._failure is not None:
            return
        method = message.get("method")
        if method == "notifications/initialized":
            if self._greeted:
                return
            self._greeted = True
        elif method == "notifications/cancelled":
            wanted = params_of(message).get("requestId")
            if wanted in self._calls:
                self._cancelled.add(wanted)
        elif is_response(message):
            self._ledger.event(self._asked.pop(message["id"], None), "to_server", message)
        with contextlib.suppress(ServerError):  # a notification has nobody to tell; the next request says what is wrong
            await self._upstream.notify(message)

    async def close(self) -> None:
        """End the link and what was started for it."""
        if self._snapshot is not None:
            await asyncio.wait({self._snapshot}, timeout=_SNAPSHOT_SECONDS)
            self._snapshot.cancel()
            await asyncio.gather(self._snapshot, return_exceptions=True)
        async with self._starting:
            self._failure = self._failure or ServerError(f"server {self.server!r} was stopped")
        if self._upstream is not None:
            await self._upstream.close()

    @property
    def dead(self) -> bool:
        """Whether the server could not be started or is gone."""
        return self._failure is not None

    async def _started(self) -> Upstream:
        if self._upstream is not None:
            return self._upstream
        async with self._starting:
            if self._failure is not None:
                raise self._failure
            if self._upstream is None:
                try:
                    self._upstream = await self._connect(self._hear)
                except ServerError as trouble:
                    self._failure = trouble
                    raise
        return self._upstream

    async def _converse(self, method: str, message: JsonObject) -> JsonObject:
        """Relay a request that is no call, and learn from its answer."""
        if method == "initialize":
            if self._hello is not None:  # another client joins a named session: it is told what the first one was told
                return {**self._hello, "id": message["id"]}
            params = params_of(message)
            self._ledger.introduce(params.get("clientInfo") or {}, str(params.get("protocolVersion", "")))
        try:
            answer = await (await self._started()).request(message)
            result = answer.get("result")
            if isinstance(result, dict):
                self._learn(method, message, answer, result)
            elif method not in _GREETINGS and isinstance(answer.get("error"), dict):
                self._ledger.refused(self.server, method, message.get("params"), answer["error"])
        except StoreError as trouble:
            return error(message["id"], INTERNAL_ERROR, f"firefly: the session cannot be recorded: {trouble}")
        except FireflyError as trouble:
            return self._failed(message["id"], trouble)
        return answer

    def _failed(self, request_id: RequestId, trouble: FireflyError) -> JsonObject:
        if isinstance(trouble, ServerError) and self._upstream is not None and self._upstream.ended:
            self._failure = trouble
        return failure(request_id, trouble)

    def _learn(self, method: str, message: JsonObject, answer: JsonObject, result: JsonObject) -> None:
        if method == "initialize":
            self._version = str(result.get("protocolVersion", ""))
            self._ledger.introduce(params_of(message).get("clientInfo") or {}, self._version)
            self._ledger.connected(self.server, result, self._version)
            self._hello = answer
        elif method == "server/discover":
            version = version_of(message)
            if version is not None and version in (result.get("supportedVersions") or ()):
                self._meet(message, version)
                self._ledger.connected(self.server, result, version)
        elif method == "tools/list" and isinstance(result.get("tools"), list):
            self._ledger.listed(self.server, method, params_of(message).get("cursor"), result)
            self._learn_page(params_of(message).get("cursor"), result)

    def _learn_page(self, cursor: object, result: JsonObject) -> None:
        """Keep the tools of a list that is read from its start, page by page; of any other order nothing is learnt."""
        if cursor is None:
            self._page = []
        elif cursor != self._next_page:
            self._next_page = None
            return
        self._page = self._page + result["tools"]
        self._next_page = result.get("nextCursor")
        self._ledger.tools(self.server, self._page, self._version)
        if self._next_page is None:
            self._listed.add(self.server)

    def _meet(self, message: JsonObject, version: str) -> None:
        """A stateless client says who it is in every request."""
        if version != self._version:
            self._version = version
            self._ledger.introduce(meta_of(message).get(META_CLIENT) or {}, version)

    async def _hear(self, message: JsonObject, related: RequestId | None) -> None:
        """Record what the server says unasked, then pass it on."""
        method = str(message.get("method", ""))
        call = self._cause(message, method, related)
        if is_request(message):
            self._asked[message["id"]] = call
        if method.endswith("tools/list_changed"):
            self._listed.discard(self.server)
            self._snapshot = None
        self._ledger.event(call, "to_client", message)
        await self._listener(message, related)

    def _cause(self, message: JsonObject, method: str, related: RequestId | None) -> int | None:
        """The call that a message belongs to.

        What is told to the session (a list has changed, a resource was updated) is kept with the call that most likely did it,
        the newest in flight or else the last one, so that it can be told again when that call is replayed. A question belongs
        to the newest call in flight where the server does not say.
        """
        if method.endswith(_SESSION_NOTES):
            return self._newest[-1] if self._newest else self._ended
        call = None if related is None else self._calls.get(related)
        if call is None and is_request(message) and self._newest:
            return self._newest[-1]
        return call

    async def _list_tools(self, cause: JsonObject, place: int) -> None:
        """Ask for the tools' definitions on our own account: a recording without them replays poorly.

        ``place`` is where in the session the list belongs: before the call that caused it.
        """
        envelope = {
            key: value for key, value in meta_of(cause).items() if key in (META_VERSION, META_CLIENT, META_CAPABILITIES)
        }
        tools: list[JsonObject] = []
        cursor = None
        try:
            upstream = await self._started()
            for _ in range(_PAGES):
                params: JsonObject = {} if cursor is None else {"cursor": cursor}
                if envelope:
                    params["_meta"] = envelope
                answer = await upstream.request(request(own_id(next(self._ids)), "tools/list", params or None))
                result = answer.get("result")
                if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
                    return
                tools += result["tools"]
                cursor = result.get("nextCursor")
                if cursor is None:
                    break
            self._ledger.tools(self.server, tools, self._version)
            self._ledger.listed(self.server, "tools/list", None, {"tools": tools}, place)
            self._listed.add(self.server)
        except FireflyError:
            return  # the call that caused this meets the same trouble, and tells it


def failure(request_id: RequestId, trouble: FireflyError) -> JsonObject:
    """The error response for trouble with a server."""
    if isinstance(trouble, RefusedError):
        return HttpError(request_id, trouble.status, f"firefly: {trouble}", trouble.headers)
    return error(request_id, CONNECTION_CLOSED, f"firefly: {trouble}")


def _not_recorded(message: JsonObject, text: str) -> JsonObject:
    if message["method"] == "tools/call":
        return tool_error(message["id"], f"firefly: {text}")
    return error(message["id"], INTERNAL_ERROR, f"firefly: {text}")
