"""The replay proxy: a conversation answered from a recording, with the servers gone, over either front and in both eras.

What a server said of itself (``initialize``), its lists and its answers come from the recording; which answer, and whether
there is one, is decided by :mod:`firefly_mcp.replay`. Replayed calls are logged as a session of kind ``replay``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.replay import Answer, Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.forms import RequestForms
from firefly_mcp.replay.start import start_of
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind
from firefly_proxies import messages
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.eras import discovery, stateless_result
from firefly_proxies.replay_log import ReplayLog

_MISS_CODE = -32001
_LIST_METHODS = {
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}


class ReplayFactory:
    """Opens replayed conversations over one recording."""

    def __init__(
        self,
        recording: Recording,
        policy: ReplayPolicy | None = None,
        *,
        servers: Sequence[str] = (),
        log: bool = True,
        redaction: RedactionRules = NO_RULES,
    ) -> None:
        """Index the recording.

        Args:
            recording: open; it is also where replayed calls are logged.
            policy: the rung, state and start; the default answers exact and normalized in the same state.
            servers: narrow to these; all when empty.
            log: keep replayed calls in the recording.
            redaction: rules for requests, beside those that the recorded sessions keep.

        Raises:
            ConfigError: stored redaction rules are malformed.
            StoreError: the recording holds nothing to replay.
            UsageError: a server, or the policy's start, is not in the recording.
        """
        known = queries.servers(recording)
        missing = [name for name in servers if name not in known]
        if missing:
            raise StoreError(
                f"{recording.path}: no server {missing[0]!r} in the recording; it has: {', '.join(known) or 'none'}"
            )
        self.recording = recording
        self.policy = policy or ReplayPolicy()
        index = ReplayIndex(recording, servers)
        if index.empty:
            raise StoreError(f"{recording.path}: nothing to replay: the recording has no answered call; record some first")
        self.replay = Replay(recording, self.policy, index)
        self.servers = [name for name in known if not servers or name in servers]
        self.single = len(self.servers) == 1
        for name in self.servers:
            start_of(index, name, self.policy.start)  # an unknown --start is refused now, not at the first call
        self.names = ExposedNames(index.tools, single=self.single)
        self.forms = RequestForms(recording, redaction)
        self.log = ReplayLog(recording) if log else None

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """Begin a session with a state of its own."""
        return ReplayConversation(self, opening)

    async def close(self) -> None:
        """Write what is still waiting to be logged."""
        if self.log is not None:
            self.log.flush()

    def introduction(self) -> JsonObject:
        """The recorded result of ``initialize`` (or ``server/discover``); for several servers, the union of capabilities."""
        links = [link for link in queries.connections(self.recording) if link.server in self.servers and link.initialize]
        if self.single and links:
            return links[-1].initialize
        capabilities: JsonObject = {"tools": {}}
        for link in links:
            capabilities.update(link.initialize.get("capabilities") or {})
        return {"capabilities": capabilities, "serverInfo": {"name": "firefly-replay", "version": __version__}}

    def tool_definitions(self) -> list[JsonObject]:
        """The latest recorded definition of each tool, under its exposed name."""
        return [{**tool.definition, "name": self.names.exposed(key)} for key, tool in self.replay.index.tools.items()]


class ReplayConversation:
    """One replayed session."""

    def __init__(self, factory: ReplayFactory, opening: Opening) -> None:
        """Use :meth:`ReplayFactory.open`."""
        self._factory = factory
        self._session = factory.replay.session()
        self._log = factory.log.session(opening) if factory.log is not None else None
        self._stateless = opening.stateless

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
            answer = self._call_tool(request_id, params)
        else:
            answer = self._other(request_id, method, params)
        # On stdio only the request itself tells the client's era.
        stateless = self._stateless or method == "server/discover" or messages.META_VERSION in messages.meta_of(message)
        if stateless and "result" in answer:
            return {**answer, "result": stateless_result(method, answer["result"])}
        return answer

    async def notify(self, message: JsonObject) -> None:
        """Nothing that a client tells changes what was recorded."""

    async def close(self) -> None:
        """End the logged session."""
        if self._log is not None:
            self._log.end()

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

    def _call_tool(self, request_id: messages.RequestId, params: JsonObject) -> JsonObject:
        exposed = str(params.get("name", ""))
        key = self._factory.names.key(exposed)
        server, tool = key if key is not None else (self._factory.servers[0], exposed)
        asked, forms = self._factory.forms.of({**params, "name": tool}, server, tool)
        answer = self._session.answer(server, "tools/call", asked, forms)
        self._note(server, "tools/call", asked, answer)
        if answer.call is None:
            assert answer.miss is not None
            refused = answer.miss.cause in ("invalid_arguments", "unknown_tool")
            said = answer.miss.message if refused else f"firefly replay: {answer.miss.message}"
            told = messages.tool_error(request_id, said)
            return self._with_provenance(told, answer)
        return self._recorded(request_id, answer)

    def _other(self, request_id: messages.RequestId, method: str, params: JsonObject) -> JsonObject:
        """Any other request: the first server whose recording has it answers."""
        answer: Answer | None = None
        for server in self._factory.servers:
            asked, forms = self._factory.forms.of(params, server)
            answer = self._session.answer(server, method, asked, forms)
            if answer.kind is not MatchKind.MISS:
                self._note(server, method, asked, answer)
                return self._recorded(request_id, answer)
        assert answer is not None
        self._note(self._factory.servers[0], method, asked, answer)
        if not self._factory.replay.index.knows(method):
            return messages.error(request_id, messages.METHOD_NOT_FOUND, f"Method not found: {method} was never recorded")
        why = answer.miss.message if answer.miss else "not recorded"
        return messages.error(request_id, _MISS_CODE, f"firefly replay: {why}", {"firefly/match": "miss"})

    def _recorded(self, request_id: messages.RequestId, answer: Answer) -> JsonObject:
        assert answer.call is not None
        if answer.call.error is not None:
            return {"jsonrpc": "2.0", "id": request_id, "error": answer.call.error}
        return self._with_provenance(messages.response(request_id, answer.call.result or {}), answer)

    def _with_provenance(self, response: JsonObject, answer: Answer) -> JsonObject:
        if self._factory.policy.provenance:
            result = response["result"]
            response["result"] = {**result, "_meta": {**(result.get("_meta") or {}), **answer.provenance()}}
        return response

    def _note(self, server: str, method: str, params: JsonObject, answer: Answer) -> None:
        if self._log is not None:
            self._log.call(server, method, params, answer)


_HANDLERS = {
    "initialize": ReplayConversation._initialize,
    "server/discover": ReplayConversation._discover,
    "ping": ReplayConversation._ping,
    "tools/list": ReplayConversation._list_tools,
    "logging/setLevel": ReplayConversation._ping,
    "resources/subscribe": ReplayConversation._ping,
    "resources/unsubscribe": ReplayConversation._ping,
}
