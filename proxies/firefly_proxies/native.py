"""A server process that speaks the stateless era itself, shared by stateless clients: nothing is translated.

What HTTP does for a server at a URL is done here for one that is a process: messages find the client they are for, methods
that the era has removed are not found, and headers are checked.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import PARAM_HEADERS, Conversation, Emit
from firefly_proxies.messages import (
    ENVELOPE,
    META_LOG_LEVEL,
    METHOD_NOT_FOUND,
    REMOVED,
    RequestId,
    error,
    is_request,
    meta_of,
    own_id,
    params_of,
    request,
    version_of,
    with_subscription,
)
from firefly_proxies.param_headers import ParamHeaders


class _Run(NamedTuple):
    """A request in flight, in its client's own terms."""

    emit: Emit
    request_id: RequestId
    token: Any
    logs: bool


class NativeSession:
    """One upstream session behind any number of stateless clients that mean the same one."""

    def __init__(self, headers: ParamHeaders) -> None:
        """``headers`` may be shared by the sessions with one server. The session is ready once it was given to :meth:`use`."""
        self._headers = headers
        self._inner: Conversation
        self._ids = itertools.count(1)
        self._runs: dict[RequestId, _Run] = {}

    def use(self, inner: Conversation) -> None:
        """Pass requests on to this conversation, which emits to :meth:`hear`."""
        self._inner = inner

    async def greet(self, message: JsonObject) -> bool:
        """Whether the server speaks the era of a request: it is asked in the name of that request's client."""
        meta = {key: value for key, value in meta_of(message).items() if key in ENVELOPE}
        answer = await self._inner.request(request(own_id("discover"), "server/discover", {"_meta": meta}))
        return version_of(message) in ((answer.get("result") or {}).get("supportedVersions") or ())

    async def request(self, message: JsonObject, emit: Emit) -> JsonObject:
        """Answer one request of a client; ``emit`` reaches that client."""
        method = message["method"]
        if method in REMOVED:
            return error(message["id"], METHOD_NOT_FOUND, f"Method not found: {method} is not part of this protocol version")
        refused = await self._headers.refusal(message, PARAM_HEADERS.get({}), lambda params: self._tools(message, params))
        if refused is not None:
            return refused
        key = next(self._ids)
        meta = meta_of(message)
        self._runs[key] = _Run(emit, message["id"], meta.get("progressToken"), META_LOG_LEVEL in meta)
        inner = {**message, "id": key}
        if "progressToken" in meta:
            inner["params"] = {**message["params"], "_meta": {**meta, "progressToken": key}}
        try:
            answer = copy.copy(await self._inner.request(inner))
        finally:
            del self._runs[key]
        answer["id"] = message["id"]
        if method == "tools/list" and isinstance(answer.get("result"), dict):
            self._headers.learn(answer["result"].get("tools") or ())
        return with_subscription(answer, message["id"]) if method == "subscriptions/listen" else answer

    async def close(self) -> None:
        """End the upstream session."""
        await self._inner.close()

    async def hear(self, message: JsonObject, related: RequestId | None) -> None:
        """Take what the server says, to the client whose request it belongs to.

        A process does not say which request a log message is of: with several in flight it goes to the newest that wants
        any. What belongs to no request has no way to a client in this era; the recording has it.
        """
        if is_request(message):
            await self._inner.notify(error(message["id"], METHOD_NOT_FOUND, "this protocol version has no requests to clients"))
            return
        run = None if related is None else self._runs.get(related)
        if run is None and message.get("method") == "notifications/message":
            run = next((run for run in reversed(self._runs.values()) if run.logs), None)
        if run is None:
            return
        if "progressToken" in params_of(message):
            message = {**message, "params": {**message["params"], "progressToken": run.token}}
        await run.emit(with_subscription(message, run.request_id), run.request_id)

    async def _tools(self, cause: JsonObject, params: JsonObject) -> JsonObject:
        """A page of the tools, asked for with the envelope of the request that needs them."""
        meta = {key: value for key, value in meta_of(cause).items() if key in ENVELOPE}
        return await self._inner.request(request(own_id(next(self._ids)), "tools/list", {**params, "_meta": meta}))
