"""One replayed client session: which server a request is for, how it is answered, and what the client is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from firefly_mcp import __version__
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.faults import FaultKind
from firefly_mcp.types import MatchKind, ToolKey
from firefly_proxies import messages
from firefly_proxies.conversation import Emit, Opening
from firefly_proxies.eras import discovery, stateless_result
from firefly_proxies.silence import Silence

if TYPE_CHECKING:
    from firefly_proxies.replay import ReplayFactory

MISS_CODE = -32001


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that is looked up in the recording.

    Attributes:
        session: the replayed session, with its state.
        key: the server and its tool, or the method of another request.
        method: of the request.
        message: the request as the client sent it; names in it are exposed names.
        params: its params in the server's own terms, redacted by all rules: what may be written down.
        forms: the params as recorded sessions may hold them.
    """

    session: ReplaySession
    key: ToolKey
    method: str
    message: JsonObject
    params: JsonObject
    forms: Sequence[JsonObject]


Step = Callable[[Ask], Awaitable[Answer]]
"""Finds the answer to a request."""


class Wrap(Protocol):
    """Puts something around the look-up of calls: asks elsewhere on a miss, waits, spoils the answer."""

    def around(self, step: Step, session: ReplaySession, emit: Emit) -> Step:
        """The step of one session, with ``step`` inside; ``emit`` reaches the client."""

    async def end(self, session: ReplaySession) -> None:
        """Release what a session holds."""

    async def close(self) -> None:
        """Release what the sessions shared."""


class ReplayConversation:
    """One replayed session."""

    def __init__(self, factory: ReplayFactory, opening: Opening, emit: Emit) -> None:
        """Use :meth:`ReplayFactory.open`."""
        self._factory = factory
        self._emit = emit
        self._session = factory.replay.session()
        self._log = factory.log.session(opening) if factory.log is not None else None
        self._silence = Silence()
        self._stateless = opening.stateless
        self._answer: Step = self._look_up
        for wrap in factory.wraps:
            self._answer = wrap.around(self._answer, self._session, emit)

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer from the recording."""
        request_id, method = message["id"], str(message["method"])
        params = message.get("params") or {}
        handler = _HANDLERS.get(method)
        if handler is not None:
            answer = messages.response(request_id, handler(self, params))
        elif method in _LIST_METHODS:
            answer = messages.response(request_id, self._list(method))
        elif method == "tools/call":
            answer = await self._call_tool(message, params)
        else:
            answer = await self._other(message, params)
        # On stdio only the request itself tells the client's era.
        stateless = self._stateless or method == "server/discover" or messages.META_VERSION in messages.meta_of(message)
        if stateless and "result" in answer:
            return {**answer, "result": stateless_result(method, answer["result"])}
        return answer

    async def notify(self, message: JsonObject) -> None:
        """Nothing that a client tells changes what was recorded; it may give up a request that gets no answer."""
        if message.get("method") == "notifications/cancelled":
            self._silence.release(messages.params_of(message).get("requestId"))

    async def close(self) -> None:
        """End the logged session."""
        self._silence.release_all()
        for wrap in self._factory.wraps:
            await wrap.end(self._session)
        if self._log is not None:
            self._log.end()

    async def _look_up(self, ask: Ask) -> Answer:
        """The innermost step: the recording's own answer."""
        return self._session.answer(ask.key.server, ask.method, ask.params, ask.forms)

    def _initialize(self, params: JsonObject) -> JsonObject:
        if self._log is not None:
            self._log.describe(self._factory.forms.told(params.get("clientInfo") or {}), str(params.get("protocolVersion", "")))
        told = self._factory.introduction()
        wanted = params.get("protocolVersion")
        recorded = told.get("protocolVersion")
        fallback = recorded if recorded in messages.HANDSHAKE_VERSIONS else messages.LATEST_HANDSHAKE
        version = wanted if wanted in messages.HANDSHAKE_VERSIONS else fallback
        kept = {
            key: value for key, value in told.items() if key not in ("supportedVersions", "resultType", "ttlMs", "cacheScope")
        }
        return {
            "capabilities": {},
            "serverInfo": {"name": "firefly-replay", "version": __version__},
            **kept,
            "protocolVersion": version,
        }

    def _discover(self, params: JsonObject) -> JsonObject:
        return discovery(self._factory.introduction(), messages.STATELESS_VERSIONS)

    def _ping(self, params: JsonObject) -> JsonObject:
        return {}

    def _list_tools(self, params: JsonObject) -> JsonObject:
        return {"tools": self._factory.tool_definitions()}

    def _list(self, method: str) -> JsonObject:
        """A list as it was recorded, over all servers; a method that no server was asked is an empty list."""
        items: list[Any] = []
        for server in self._factory.servers:
            answer = self._session.answer(server, method, {})
            if answer.call is not None and answer.call.result is not None:
                items += answer.call.result.get(_LIST_METHODS[method]) or []
        return {_LIST_METHODS[method]: items}

    async def _call_tool(self, message: JsonObject, params: JsonObject) -> JsonObject:
        exposed = str(params.get("name", ""))
        key = self._factory.names.key(exposed) or ToolKey(self._factory.servers[0], exposed)
        asked, forms = self._factory.forms.of({**params, "name": key.tool}, key.server, key.tool)
        answer = await self._answer(Ask(self._session, key, "tools/call", message, asked, forms))
        self._note(key.server, "tools/call", asked, answer)
        if answer.fault == FaultKind.DROP:
            return await self._silence.keep(message["id"])
        if answer.call is None:
            assert answer.miss is not None
            refused = answer.miss.cause in ("invalid_arguments", "unknown_tool")
            said = answer.miss.message if refused else f"firefly replay: {answer.miss.message}"
            told = messages.tool_error(message["id"], said)
            return self._with_provenance(told, answer)
        return self._recorded(message["id"], answer)

    async def _other(self, message: JsonObject, params: JsonObject) -> JsonObject:
        """Any other request: the first server whose recording has it answers."""
        request_id, method = message["id"], str(message["method"])
        answer: Answer | None = None
        for server in self._factory.servers:
            asked, forms = self._factory.forms.of(params, server)
            answer = await self._look_up(Ask(self._session, ToolKey(server, method), method, message, asked, forms))
            if answer.kind is not MatchKind.MISS:
                self._note(server, method, asked, answer)
                return self._recorded(request_id, answer)
        assert answer is not None
        self._note(self._factory.servers[0], method, asked, answer)
        if not self._factory.replay.index.knows(method):
            return messages.error(request_id, messages.METHOD_NOT_FOUND, f"Method not found: {method} was never recorded")
        why = answer.miss.message if answer.miss else "not recorded"
        return messages.error(request_id, MISS_CODE, f"firefly replay: {why}", {"firefly/match": "miss"})

    def _recorded(self, request_id: messages.RequestId, answer: Answer) -> JsonObject:
        assert answer.call is not None
        if answer.call.error is not None:
            told = answer.call.error
            if answer.fault is not None and self._factory.policy.provenance:
                told = {**told, "data": answer.provenance()}
            return {"jsonrpc": "2.0", "id": request_id, "error": told}
        return self._with_provenance(messages.response(request_id, answer.call.result or {}), answer)

    def _with_provenance(self, response: JsonObject, answer: Answer) -> JsonObject:
        if self._factory.policy.provenance:
            result = response["result"]
            response["result"] = {**result, "_meta": {**(result.get("_meta") or {}), **answer.provenance()}}
        return response

    def _note(self, server: str, method: str, params: JsonObject, answer: Answer) -> None:
        if self._log is not None:
            self._log.call(server, method, params, answer)


_LIST_METHODS = {
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
_HANDLERS = {
    "initialize": ReplayConversation._initialize,
    "server/discover": ReplayConversation._discover,
    "ping": ReplayConversation._ping,
    "tools/list": ReplayConversation._list_tools,
    "logging/setLevel": ReplayConversation._ping,
    "resources/subscribe": ReplayConversation._ping,
    "resources/unsubscribe": ReplayConversation._ping,
}
