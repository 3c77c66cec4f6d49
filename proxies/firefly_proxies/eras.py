"""Serving a handshake-era conversation to clients of the stateless era: a translation, and what it adds is stated here.

Results get ``resultType``, and those that a client may cache ``ttlMs: 0`` and ``cacheScope: private``. ``server/discover`` is
answered from the handshake. A request that the server makes in the middle of a call becomes an input-required result; the
client's retry goes on with the same call. ``subscriptions/listen`` carries list and resource notifications.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from firefly_mcp import __version__
from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import PARAM_HEADERS, Conversation, Emit
from firefly_proxies.messages import (
    ENVELOPE,
    INTERNAL_ERROR,
    LATEST_HANDSHAKE,
    META_CAPABILITIES,
    META_CLIENT,
    META_LOG_LEVEL,
    META_SERVER,
    META_SUBSCRIPTION,
    METHOD_NOT_FOUND,
    REMOVED,
    RequestId,
    error,
    is_request,
    loud_enough,
    meta_of,
    notification,
    own_id,
    params_of,
    request,
    response,
)
from firefly_proxies.param_headers import ParamHeaders

_ENVELOPE = (*ENVELOPE, META_LOG_LEVEL)
_CACHEABLE = frozenset(
    {"server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list", "resources/read"}
)
_FILTERS = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
ANSWER_SECONDS = 600.0
"""How long a call waits for a client that was asked for input."""


def stateless_result(method: str, result: JsonObject) -> JsonObject:
    """A handshake-era result as the stateless era wants it."""
    added: JsonObject = {"resultType": "complete"}
    if method in _CACHEABLE:
        added |= {"ttlMs": 0, "cacheScope": "private"}
    return {**added, **result}


def handshake_result(result: JsonObject) -> JsonObject:
    """A stateless-era result as the handshake era has it: without what that era adds to a complete one."""
    if result.get("resultType") != "complete":
        return result
    return {key: value for key, value in result.items() if key not in ("resultType", "ttlMs", "cacheScope")}


def discovery(initialize: JsonObject, versions: Sequence[str]) -> JsonObject:
    """The result of ``server/discover``, from that of ``initialize``."""
    told: JsonObject = {"supportedVersions": list(versions), "capabilities": initialize.get("capabilities") or {}}
    if "instructions" in initialize:
        told["instructions"] = initialize["instructions"]
    if isinstance(initialize.get("serverInfo"), dict):
        told["_meta"] = {META_SERVER: initialize["serverInfo"]}
    return stateless_result("server/discover", told)


def without_envelope(message: JsonObject) -> JsonObject:
    """A stateless request as a handshake server wants it: without the envelope's keys."""
    meta = meta_of(message)
    if not meta:
        return message
    params = {key: value for key, value in message["params"].items() if key != "_meta"}
    kept = {key: value for key, value in meta.items() if key not in _ENVELOPE}
    return {**message, "params": {**params, "_meta": kept} if kept else params}


class _Run:
    """One request on its way through the handshake conversation, over as many rounds as its server asks for."""

    def __init__(self, message: JsonObject, emit: Emit) -> None:
        self.emit = emit
        self.request_id: RequestId = message["id"]
        self.token = meta_of(message).get("progressToken")
        level = meta_of(message).get(META_LOG_LEVEL)
        self.log_level = None if level is None else str(level)
        self.asks: dict[str, JsonObject] = {}
        self.asked = asyncio.Event()
        self.task: asyncio.Task[JsonObject]
        self.timer: asyncio.TimerHandle | None = None

    def hears(self, log: JsonObject) -> bool:
        """Whether the client wants a log message: it has asked for some, and the message is severe enough."""
        return self.log_level is not None and loud_enough(log, self.log_level)


class StatelessSession:
    """One handshake conversation behind any number of stateless clients that mean the same session."""

    def __init__(self, versions: Sequence[str], headers: ParamHeaders) -> None:
        """``versions`` are the protocol versions that ``server/discover`` tells; ``headers`` may be shared by sessions."""
        self._versions = versions
        self._headers = headers
        self._inner: Conversation
        self._greeting: asyncio.Task[JsonObject] | None = None
        self._ids = itertools.count(1)
        self._runs: dict[RequestId, _Run] = {}
        self._waiting: dict[str, _Run] = {}
        self._listeners: dict[RequestId, tuple[Emit, JsonObject, RequestId]] = {}

    @classmethod
    async def begin(
        cls, opener: Callable[[Emit], Awaitable[Conversation]], versions: Sequence[str], headers: ParamHeaders
    ) -> Self:
        """Begin over the conversation that ``opener`` opens.

        Raises:
            FireflyError: from ``opener``.
        """
        session = cls(versions, headers)
        session._inner = await opener(session._from_server)
        return session

    async def request(self, message: JsonObject, emit: Emit) -> JsonObject:
        """Answer one request of a stateless client; ``emit`` reaches that client."""
        method = message["method"]
        if method in REMOVED:
            return error(message["id"], METHOD_NOT_FOUND, f"Method not found: {method} is not part of this protocol version")
        greeting = await self._greet(message)
        if "error" in greeting:
            greeting = copy.copy(greeting)
            greeting["id"] = message["id"]
            return greeting
        if method == "server/discover":
            return response(message["id"], discovery(greeting["result"], self._versions))
        if method == "subscriptions/listen":
            return await self._listen(message, emit)
        refused = await self._headers.refusal(message, PARAM_HEADERS.get({}), self._tools)
        if refused is not None:
            return refused
        state = params_of(message).get("requestState")
        run = self._waiting.pop(state, None) if isinstance(state, str) else None
        if run is None:
            run = self._start(message, emit)
        else:
            run.emit, run.request_id = emit, message["id"]
            await self._deliver(run, params_of(message).get("inputResponses") or {})
        return await self._next(run, method)

    async def close(self) -> None:
        """End the conversation."""
        for run in list(self._runs.values()):
            run.task.cancel()
        await asyncio.gather(*(run.task for run in self._runs.values()), return_exceptions=True)
        await self._inner.close()

    async def _greet(self, message: JsonObject) -> JsonObject:
        """Do the handshake in the name of the first client, once; a failed one is tried again by the next client."""
        if self._greeting is None:
            meta = meta_of(message)
            params = {
                "protocolVersion": LATEST_HANDSHAKE,
                "capabilities": meta.get(META_CAPABILITIES) or {},
                "clientInfo": meta.get(META_CLIENT) or {"name": "firefly", "version": __version__},
            }
            self._greeting = asyncio.get_running_loop().create_task(self._handshake(params))
        task = self._greeting
        answer = await asyncio.shield(task)
        if "error" in answer and self._greeting is task:
            self._greeting = None
        return answer

    async def _handshake(self, params: JsonObject) -> JsonObject:
        answer = await self._inner.request(request(own_id("initialize"), "initialize", params))
        if "result" in answer:
            await self._inner.notify(notification("notifications/initialized"))
        return answer

    async def _tools(self, params: JsonObject) -> JsonObject:
        return await self._inner.request(request(own_id(next(self._ids)), "tools/list", params or None))

    def _start(self, message: JsonObject, emit: Emit) -> _Run:
        run = _Run(message, emit)
        key = next(self._ids)
        inner = {**without_envelope(message), "id": key}
        if run.token is not None:
            inner["params"] = {**inner["params"], "_meta": {**inner["params"]["_meta"], "progressToken": key}}
        self._runs[key] = run
        run.task = asyncio.get_running_loop().create_task(self._inner.request(inner))
        run.task.add_done_callback(lambda _: self._runs.pop(key, None))
        return run

    async def _next(self, run: _Run, method: str) -> JsonObject:
        """Wait for the answer, or for a question to the client."""
        if run.timer is not None:
            run.timer.cancel()
        asked = asyncio.get_running_loop().create_task(run.asked.wait())
        try:
            await asyncio.wait({run.task, asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)
            raise
        finally:
            asked.cancel()
        if not run.task.done():
            return self._question(run)
        answer = {**run.task.result(), "id": run.request_id}
        if isinstance(answer.get("result"), dict):
            answer["result"] = stateless_result(method, answer["result"])
        return answer

    def _question(self, run: _Run) -> JsonObject:
        run.asked.clear()
        state = uuid.uuid4().hex
        self._waiting[state] = run
        run.timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._forget, state)
        asked = {key: {name: ask[name] for name in ("method", "params") if name in ask} for key, ask in run.asks.items()}
        return response(run.request_id, {"resultType": "input_required", "inputRequests": asked, "requestState": state})

    def _forget(self, state: str) -> None:
        run = self._waiting.pop(state, None)
        if run is not None:
            run.task.cancel()

    async def _deliver(self, run: _Run, answers: JsonObject) -> None:
        asks, run.asks = run.asks, {}
        for key, ask in asks.items():
            answer = answers.get(key)
            if isinstance(answer, dict):
                kept = {name: value for name, value in answer.items() if name != "resultType"}
                await self._inner.notify(response(ask["id"], kept))
            else:
                await self._inner.notify(error(ask["id"], INTERNAL_ERROR, "the client did not answer"))

    async def _from_server(self, message: JsonObject, related: RequestId | None) -> None:
        run = None if related is None else self._runs.get(related)
        method = message.get("method")
        if is_request(message):
            if method == "ping":
                await self._inner.notify(response(message["id"], {}))
                return
            run = run or next(reversed(self._runs.values()), None)
            if run is None:
                await self._inner.notify(error(message["id"], INTERNAL_ERROR, "no client request is in flight"))
                return
            run.asks[f"input-{message['id']}"] = message
            run.asked.set()
        elif method in _FILTERS or method == "notifications/resources/updated":
            await self._publish(message)
        elif run is not None and (method != "notifications/message" or run.hears(message)):
            if "progressToken" in params_of(message):
                message = {**message, "params": {**message["params"], "progressToken": run.token}}
            await run.emit(message, run.request_id)

    async def _listen(self, message: JsonObject, emit: Emit) -> JsonObject:
        """Hold a subscription open until its client goes."""
        wanted = params_of(message).get("notifications")
        wanted = wanted if isinstance(wanted, dict) else {}
        uris = [uri for uri in wanted.get("resourceSubscriptions") or [] if isinstance(uri, str)]
        meta = {META_SUBSCRIPTION: message["id"]}
        key = next(self._ids)
        self._listeners[key] = (emit, {**wanted, "resourceSubscriptions": uris}, message["id"])
        try:
            for uri in uris:
                await self._inner.request(request(own_id(next(self._ids)), "resources/subscribe", {"uri": uri}))
            honoured = {key: value for key, value in wanted.items() if key in (*_FILTERS.values(), "resourceSubscriptions")}
            told = {"notifications": honoured, "_meta": meta}
            await emit(notification("notifications/subscriptions/acknowledged", told), message["id"])
            await asyncio.Event().wait()
        finally:
            del self._listeners[key]
        raise AssertionError("a subscription only ends by being cancelled")

    async def _publish(self, message: JsonObject) -> None:
        method = message["method"]
        for emit, wanted, request_id in list(self._listeners.values()):
            name = _FILTERS.get(method)
            if wanted.get(name) if name else params_of(message).get("uri") in wanted["resourceSubscriptions"]:
                params = {**params_of(message), "_meta": {**meta_of(message), META_SUBSCRIPTION: request_id}}
                with contextlib.suppress(Exception):
                    await emit({**message, "params": params}, request_id)
