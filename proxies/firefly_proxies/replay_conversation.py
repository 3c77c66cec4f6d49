"""One replayed client session: which server a request is for, how it is answered, and what the client is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.faults import FaultKind
from firefly_mcp.store import queries
from firefly_mcp.types import MatchKind, ToolKey
from firefly_proxies import messages
from firefly_proxies.conversation import Emit, Opening
from firefly_proxies.eras import discovery, handshake_result
from firefly_proxies.replay_at_once import AtOnce
from firefly_proxies.replay_exchanges import Call, Exchanges
from firefly_proxies.replay_lists import StandingLists, complete, items
from firefly_proxies.silence import Silence

if TYPE_CHECKING:
    from firefly_proxies.replay import ReplayFactory

MISS_CODE = -32001
_ROUNDS = 20
"""How often a call may ask its client for more, before that is taken for a recording gone wrong."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that is looked up in the recording.

    Attributes:
        session: the replayed session, with its state.
        key: the server and its tool, or the method of another request.
        method: of the request.
        message: the request as the client sent it; names in it are exposed names.
        own: its params in the server's own terms.
        params: the same, redacted by all rules: what may be written down.
        forms: the params as recorded sessions may hold them.
    """

    session: ReplaySession
    key: ToolKey
    method: str
    message: JsonObject
    own: JsonObject
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
    """One replayed session, in terms of the handshake era."""

    def __init__(self, factory: ReplayFactory, opening: Opening, emit: Emit) -> None:
        """Use :meth:`ReplayFactory.open`. A stateless ``opening`` leaves results as a server of that era gave them."""
        self._factory = factory
        self._servers = factory.servers
        self._session = factory.replay.session(lone=opening.transport == "http" and opening.session_id is None)
        self._log = factory.log.session(opening) if factory.log is not None else None
        self._silence = Silence()
        self._stateless = opening.stateless
        self._lists = StandingLists(factory.lists, factory.start_session)
        self._exchanges = Exchanges(self._session, factory.events, emit, self._lists.changed, factory.forms.told)
        self._answer: Step = self._look_up
        for wrap in factory.wraps:
            self._answer = wrap.around(self._answer, self._session, emit)
        self.at_once = AtOnce(factory, self._session, self._log, self._lists.served) if factory.answers_at_once else None

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer from the recording."""
        method = str(message["method"])
        params = messages.params_of(message)
        if method == "tools/call":
            return await self._call_tool(message, params)
        if method in messages.LIST_KEYS:
            return self._list(message, method, params)
        handler = _HANDLERS.get(method)
        if handler is not None:
            return await handler(self, message, params)
        return await self._other(message, method, params)

    async def notify(self, message: JsonObject) -> None:
        """Take an answer to a question; nothing else that a client tells changes what was recorded."""
        if messages.is_response(message):
            self._exchanges.take(message)
        elif message.get("method") == "notifications/cancelled":
            given_up = messages.params_of(message).get("requestId")
            self._silence.release(given_up)
            self._exchanges.cancel(given_up)

    async def close(self) -> None:
        """End the logged session."""
        self._exchanges.close()
        self._silence.release_all()
        for wrap in self._factory.wraps:
            await wrap.end(self._session)
        if self._log is not None:
            self._log.end()

    # What is looked up.

    async def _look_up(self, ask: Ask) -> Answer:
        """The innermost step: the recording's own answer, after what was said before it."""
        server, method = ask.key.server, ask.method
        if self._factory.events.any:
            token = messages.meta_of(ask.message).get("progressToken")
            call = Call(server, method, ask.params, ask.forms, ask.message["id"], token)
            answer = await self._exchanges.answer(call)
        else:
            answer = self._session.answer(server, method, ask.params, ask.forms)
        if answer.call is not None:
            self._lists.served[server] = answer.call.id
        return answer

    async def _call_tool(self, message: JsonObject, params: JsonObject) -> JsonObject:
        exposed = str(params.get("name", ""))
        key = self._factory.names.key(exposed) or ToolKey(self._servers.names[0], exposed)
        answer = await self._find(message, key, "tools/call", {**params, "name": key.tool})
        if answer.fault == FaultKind.DROP:
            return await self._silence.keep(message["id"])
        if answer.call is None:
            assert answer.miss is not None
            refused = answer.miss.cause in ("invalid_arguments", "unknown_tool")
            said = answer.miss.message if refused else f"firefly replay: {answer.miss.message}"
            return self._with_provenance(messages.tool_error(message["id"], said), answer)
        return self._recorded(message["id"], answer)

    async def _other(self, message: JsonObject, method: str, params: JsonObject) -> JsonObject:
        """Any other request: the first of the servers that it may be for whose recording has it answers."""
        routes = self._servers.routes(method, params)
        if not routes or not self._factory.replay.index.knows(method):
            return self._not_found(message["id"], f"{method} was never recorded")
        server, own = next((route for route in routes if self._may_answer(route[0], method, route[1])), routes[0])
        answer = await self._find(message, ToolKey(server, method), method, own)
        if answer.fault == FaultKind.DROP:
            return await self._silence.keep(message["id"])
        if answer.call is not None:
            return self._recorded(message["id"], answer)
        if (unknown := self._unknown_there(answer)) is not None:
            return {"jsonrpc": "2.0", "id": message["id"], "error": unknown}
        why = answer.miss.message if answer.miss else "not recorded"
        return messages.error(message["id"], MISS_CODE, f"firefly replay: {why}", {"firefly/match": "miss"})

    def _unknown_there(self, answer: Answer) -> JsonObject | None:
        """The error of a server that did not know the method when it was asked in another state: that depends on none."""
        near = answer.miss.nearest if answer.miss is not None and answer.miss.cause in ("state", "origin", "session") else []
        found = queries.call(self._factory.recording, int(near[0]["call"])) if near else None
        error = None if found is None else found.error
        return error if error is not None and error.get("code") == messages.METHOD_NOT_FOUND else None

    def _may_answer(self, server: str, method: str, params: JsonObject) -> bool:
        return bool(self._servers.single or self._session.candidates(server, method, *self._factory.forms.of(params, server)))

    async def _find(self, message: JsonObject, key: ToolKey, method: str, params: JsonObject) -> Answer:
        """Take the steps for a request, and again for each round of input that is wanted of a client that knows no rounds."""
        for _ in range(_ROUNDS):
            tool = key.tool if method == "tools/call" else None
            asked, forms = self._factory.forms.of(params, key.server, tool)
            answer = await self._answer(Ask(self._session, key, method, message, params, asked, forms))
            wanted = None if self._stateless else _asked_in(answer)
            if wanted is not None:
                able = (self._exchanges.unable(str(question.get("method"))) for question in wanted.values())
                lacking = next(filter(None, able), None)
                if lacking is not None:
                    answer = replace(answer, kind=MatchKind.MISS, call=None, miss=self._exchanges.refused(key, lacking))
            if self._log is not None:
                self._log.call(key.server, method, asked, answer)
            if wanted is None or answer.call is None or answer.call.result is None:
                break
            more = await self._input(message["id"], wanted, answer.call.result)
            params = {name: value for name, value in params.items() if name not in ("inputResponses", "requestState")} | more
        return answer

    async def _input(self, request_id: messages.RequestId, wanted: dict[str, JsonObject], result: JsonObject) -> JsonObject:
        """Put the questions of an input-required result to a client of the handshake era; what the next round adds."""
        asked = [messages.request("", str(q["method"]), q.get("params")) for q in wanted.values()]
        answers = await self._exchanges.ask(asked, request_id)
        said = {key: answer["result"] for key, answer in zip(wanted, answers, strict=True) if "result" in answer}
        more: JsonObject = {"inputResponses": said} if wanted else {}
        if "requestState" in result:
            more["requestState"] = result["requestState"]
        return more

    # What is answered otherwise.

    async def _initialize(self, message: JsonObject, params: JsonObject) -> JsonObject:
        if self._log is not None:
            self._log.describe(self._factory.forms.told(params.get("clientInfo") or {}), str(params.get("protocolVersion", "")))
        if not self._stateless:
            capabilities = params.get("capabilities")
            self._exchanges.capabilities = capabilities if isinstance(capabilities, dict) else {}
        return messages.response(message["id"], self._servers.introduction(params.get("protocolVersion")))

    async def _discover(self, message: JsonObject, params: JsonObject) -> JsonObject:
        versions = [*messages.STATELESS_VERSIONS, *messages.HANDSHAKE_VERSIONS]
        return messages.response(message["id"], discovery(self._servers.introduction(), versions))

    async def _ping(self, message: JsonObject, params: JsonObject) -> JsonObject:
        return messages.response(message["id"], {})

    async def _set_level(self, message: JsonObject, params: JsonObject) -> JsonObject:
        if self._servers.single:
            refusal = self._factory.lists.refusal(self._servers.names[0], "logging/setLevel", params)
            if refusal is not None:
                return {"jsonrpc": "2.0", "id": message["id"], "error": refusal}
            if not self._servers.offers(self._servers.names[0], "logging"):
                return self._not_found(message["id"])
        self._exchanges.log_level = str(params.get("level"))
        return messages.response(message["id"], {})

    async def _watch(self, message: JsonObject, params: JsonObject) -> JsonObject:
        """Subscribe to a resource, or end that: as recorded, or as the server says that it can."""
        method, uri = str(message["method"]), str(params.get("uri"))
        for server, own in self._servers.routes(method, params):
            asked, forms = self._factory.forms.of(own, server)
            answer = self._session.answer(server, method, asked, forms)
            if answer.call is not None and answer.call.error is not None:
                return self._recorded(message["id"], answer)
            if answer.call is not None or self._servers.offers(server, "resources", "subscribe"):
                (self._exchanges.watched.add if method == "resources/subscribe" else self._exchanges.watched.discard)(uri)
                told = {} if answer.call is None else answer.call.result or {}
                return messages.response(message["id"], told if self._stateless else handshake_result(told))
        return self._not_found(message["id"])

    def _list(self, message: JsonObject, method: str, params: JsonObject) -> JsonObject:
        """A list as it stood, or one page of it."""
        if not self._servers.single:
            return messages.response(message["id"], {messages.LIST_KEYS[method]: self._merged_list(method)})
        (server,) = self._servers.names
        cursor = params.get("cursor")
        result: JsonObject | None = None
        if cursor is not None:
            result = self._lists.next_page(server, method, str(cursor))
        elif (version := self._lists.version(server, method)) is not None:
            pages = self._lists.pages(version)
            # Of a list that was not read to its end, the definitions say more than its beginning.
            result = pages[0] if complete(pages) or method != "tools/list" else None
        if result is None and method == "tools/list" and cursor is None:
            result = {"tools": self._factory.tool_definitions()}
        if result is not None:
            return messages.response(message["id"], result if self._stateless else handshake_result(result))
        refusal = self._factory.lists.refusal(server, method, params)
        if refusal is not None:
            return {"jsonrpc": "2.0", "id": message["id"], "error": refusal}
        asked, forms = self._factory.forms.of(params, server)
        answer = self._session.answer(server, method, asked, forms)
        if answer.call is not None:  # a refusal too, of a list that is a call
            return self._recorded(message["id"], answer)
        if not self._servers.offers(server, method.partition("/")[0]):
            return self._not_found(message["id"])
        why = f"no page of {method} was recorded for this cursor" if cursor is not None else f"{method} was never recorded"
        return messages.error(message["id"], MISS_CODE, f"firefly replay: {why}", {"firefly/match": "miss"})

    def _merged_list(self, method: str) -> list[Any]:
        """A list of all servers, under exposed names."""
        merged: list[Any] = []
        for server in self._servers.names:
            version = self._lists.version(server, method)
            pages = [] if version is None else self._lists.pages(version)
            if method == "tools/list" and not (pages and complete(pages)):
                merged += self._factory.tool_definitions(server)
                continue
            found = [item for page in pages for item in items(method, page)]
            if method == "tools/list":
                found = [{**item, "name": self._factory.exposed(ToolKey(server, item["name"]))} for item in found]
            elif method == "prompts/list":
                found = [{**item, "name": self._servers.prompt(ToolKey(server, item["name"]))} for item in found]
            merged += found
        return merged

    def _not_found(self, request_id: messages.RequestId, why: str = "") -> JsonObject:
        said = f"Method not found: {why}" if why else "Method not found"
        return messages.error(request_id, messages.METHOD_NOT_FOUND, said)

    # How it is told.

    def _recorded(self, request_id: messages.RequestId, answer: Answer) -> JsonObject:
        assert answer.call is not None
        if answer.call.error is not None:
            error = answer.call.error
            if answer.fault is not None and self._factory.policy.provenance:
                error = {**error, "data": answer.provenance()}
            return {"jsonrpc": "2.0", "id": request_id, "error": error}
        result = answer.call.result or {}
        told = result if self._stateless else handshake_result(result)
        return self._with_provenance(messages.response(request_id, told), answer)

    def _with_provenance(self, response: JsonObject, answer: Answer) -> JsonObject:
        if self._factory.policy.provenance:
            result = response["result"]
            response["result"] = {**result, "_meta": {**(result.get("_meta") or {}), **answer.provenance()}}
        return response


def _asked_in(answer: Answer) -> dict[str, JsonObject] | None:
    """What an answer of the stateless era asks its client for, by name; None where it is complete."""
    result = None if answer.call is None else answer.call.result
    if result is None or result.get("resultType") != "input_required":
        return None
    wanted = result.get("inputRequests")
    return wanted if isinstance(wanted, dict) else {}


Handler = Callable[[ReplayConversation, JsonObject, JsonObject], Awaitable[JsonObject]]
_HANDLERS: dict[str, Handler] = {
    "initialize": ReplayConversation._initialize,
    "server/discover": ReplayConversation._discover,
    "ping": ReplayConversation._ping,
    "logging/setLevel": ReplayConversation._set_level,
    "resources/subscribe": ReplayConversation._watch,
    "resources/unsubscribe": ReplayConversation._watch,
}
