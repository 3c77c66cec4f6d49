"""Several servers behind one endpoint: lists merged, names told apart, requests routed, everything else passed on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.errors import ConfigError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.names import ExposedNames, joined
from firefly_mcp.types import ToolKey
from firefly_proxies.conversation import Emit
from firefly_proxies.ledger import Ledger
from firefly_proxies.link import Link
from firefly_proxies.messages import (
    CONNECTION_CLOSED,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    LIST_KEYS,
    METHOD_NOT_FOUND,
    HttpError,
    RequestId,
    error,
    is_request,
    is_response,
    own_id,
    params_of,
    request,
    response,
)
from firefly_proxies.upstream import Listener
from firefly_proxies.upstream_stdio import say
from firefly_proxies.uris import template_matches

_PAGES = 1000
_BROADCAST = frozenset({"logging/setLevel"})
_NAMED = {"tools/call": "tools/list", "prompts/get": "prompts/list"}
_BY_URI = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})


class Gateway:
    """One client session with several servers."""

    def __init__(self, servers: Iterable[str], link: Callable[[str, Listener], Link], ledger: Ledger, emit: Emit) -> None:
        """Prepare a link to each server; they are started by ``initialize``.

        Args:
            servers: their names.
            link: makes the link to one of them, given what takes the messages that come over it.
            ledger: of the session.
            emit: reaches the client.
        """
        self._links = {name: link(name, self._listener(name)) for name in servers}
        self._ledger = ledger
        self._emit = emit
        self._ids = itertools.count(1)
        self._alive: dict[str, JsonObject] = {}
        self._names: dict[str, ExposedNames] = {}
        self._listing: dict[str, asyncio.Lock] = {method: asyncio.Lock() for method in LIST_KEYS}
        self._uris: dict[str, str] = {}
        self._templates: list[tuple[str, str]] = []
        self._asked: dict[str, tuple[str, RequestId]] = {}
        self._routes: dict[RequestId, str] = {}
        self._noted: set[str] = set()
        self._hello: JsonObject | None = None

    @property
    def dead(self) -> bool:
        """Whether every server is gone, so that this session can do nothing more."""
        return all(link.dead for link in self._links.values())

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer from the server, or the servers, that the request is for."""
        method, request_id = message["method"], message["id"]
        if method == "initialize":
            return await self._initialize(message)
        if method == "ping":
            return response(request_id, {})
        if method in LIST_KEYS:
            try:
                return response(request_id, {LIST_KEYS[method]: await self._list(method)})
            except ConfigError as trouble:
                return error(request_id, CONNECTION_CLOSED, f"firefly: {trouble}")
        if method in _BROADCAST:
            capability = method.partition("/")[0]
            await self._ask_all([name for name, told in self._alive.items() if capability in _capabilities(told)], message)
            return response(request_id, {})
        if method == "completion/complete":
            return await self._complete(message)
        if method in _NAMED:
            return await self._named(message)
        if method in _BY_URI:
            return await self._by_uri(message)
        return error(request_id, METHOD_NOT_FOUND, f"Method not found: {method} cannot be routed to one of several servers")

    async def notify(self, message: JsonObject) -> None:
        """Pass on: a response to the server that asked, a cancellation to where the request went, the rest to all."""
        if is_response(message):
            asked = self._asked.pop(str(message["id"]), None)
            if asked is not None:
                await self._links[asked[0]].notify({**message, "id": asked[1]})
            return
        if message.get("method") == "notifications/cancelled":
            wanted = params_of(message).get("requestId")
            server = self._routes.get(wanted) if isinstance(wanted, (int, str)) else None
            if server is not None:
                await self._links[server].notify(message)
            return
        for name in list(self._alive):
            await self._links[name].notify(message)

    async def close(self) -> None:
        """End all links and the recorded session."""
        try:
            await asyncio.gather(*(link.close() for link in self._links.values()), return_exceptions=True)
        finally:
            self._ledger.close()

    async def _initialize(self, message: JsonObject) -> JsonObject:
        """Start every server; one that fails is named and left out, the others go on."""
        if self._hello is not None:
            return {**self._hello, "id": message["id"]}
        answers = await self._ask_all(list(self._links), message)
        refused: JsonObject | None = None
        for name, answer in answers.items():
            if isinstance(answer.get("result"), dict):
                self._alive[name] = answer["result"]
            else:
                refused = answer
                self._leave_out(name, answer)
        if not self._alive:
            if isinstance(refused, HttpError):
                return HttpError(message["id"], refused.status, refused["error"]["message"], refused.headers)
            why = "; ".join(str(answer["error"].get("message")) for answer in answers.values())
            return error(message["id"], CONNECTION_CLOSED, f"firefly: no server could be started: {why}")
        wanted = str(params_of(message).get("protocolVersion", HANDSHAKE_VERSIONS[-1]))
        self._hello = response(message["id"], merged_introduction(self._alive, wanted))
        return self._hello

    def _leave_out(self, name: str, answer: JsonObject) -> None:
        if name not in self._noted:
            self._noted.add(name)
            say(f"server {name!r} is left out: {answer['error'].get('message')}")

    async def _list(self, method: str) -> list[JsonObject]:
        """All pages of a list from all servers, under exposed names.

        Raises:
            ConfigError: two items would get one name.
        """
        capability = "resources" if method.startswith("resources/") else method.partition("/")[0]
        servers = [name for name, told in self._alive.items() if capability in _capabilities(told)]
        async with self._listing[method]:
            pages = await asyncio.gather(*(self._pages(name, method) for name in servers))
            items = [(name, item) for name, found in zip(servers, pages, strict=True) for item in found]
            if method == "resources/list":
                self._uris = {}
                for name, item in items:
                    self._own_uri(str(item.get("uri")), name)
                return [item for _, item in items]
            if method == "resources/templates/list":
                self._templates = [(str(item.get("uriTemplate")), name) for name, item in items]
                return [item for _, item in items]
            keyed = [(ToolKey(name, str(item.get("name"))), item) for name, item in items]
            names = self._names[method] = ExposedNames((key for key, _ in keyed), single=False)
            return [{**item, "name": names.exposed(key)} for key, item in keyed]

    async def _pages(self, name: str, method: str) -> list[JsonObject]:
        items: list[JsonObject] = []
        cursor: Any = None
        for _ in range(_PAGES):
            asked = request(own_id(next(self._ids)), method, None if cursor is None else {"cursor": cursor})
            result = (await self._links[name].request(asked)).get("result")
            if not isinstance(result, dict):
                break
            items += [item for item in result.get(LIST_KEYS[method]) or [] if isinstance(item, dict)]
            cursor = result.get("nextCursor")
            if cursor is None:
                break
        return items

    def _own_uri(self, uri: str, name: str) -> None:
        owner = self._uris.setdefault(uri, name)
        if owner != name and uri not in self._noted:
            self._noted.add(uri)
            say(f"servers {owner!r} and {name!r} both have a resource {uri}; it is read from {owner!r}")

    async def _find(self, method: str, exposed: str) -> ToolKey | None:
        """The tool or prompt behind an exposed name; the servers' lists are asked for if they were not yet, or do not say."""
        names = self._names.get(method)
        key = None if names is None else names.key(exposed)
        if key is None and (names is None or any(exposed.startswith(joined(name, "")) for name in self._alive)):
            await self._list(method)
            key = self._names[method].key(exposed)
        return key

    async def _named(self, message: JsonObject) -> JsonObject:
        """A request for a tool or a prompt, by its exposed name."""
        exposed = str(params_of(message).get("name"))
        try:
            key = await self._find(_NAMED[message["method"]], exposed)
        except ConfigError as trouble:
            return error(message["id"], CONNECTION_CLOSED, f"firefly: {trouble}")
        if key is None:
            what = "tool" if message["method"] == "tools/call" else "prompt"
            return error(message["id"], INVALID_PARAMS, f"Unknown {what}: {exposed}")
        return await self._ask(key.server, {**message, "params": {**params_of(message), "name": key.tool}})

    async def _by_uri(self, message: JsonObject) -> JsonObject:
        """A request for a resource: from the server that listed it, whose template fits, or the first that knows it."""
        uri = str(params_of(message).get("uri"))
        server = await self._server_of(uri)
        if server is not None:
            return await self._ask(server, message)
        answer = error(message["id"], INVALID_PARAMS, f"Unknown resource: {uri}")
        for name, told in self._alive.items():
            if "resources" in _capabilities(told):
                answer = await self._ask(name, message)
                if "result" in answer:
                    return answer
        return answer

    async def _server_of(self, uri: str) -> str | None:
        if not self._uris:
            await self._list("resources/list")
        if uri not in self._uris and not self._templates:
            await self._list("resources/templates/list")
        if uri in self._uris:
            return self._uris[uri]
        return next((name for template, name in self._templates if template_matches(template, uri)), None)

    async def _complete(self, message: JsonObject) -> JsonObject:
        """A completion, for the prompt or the resource template that it refers to."""
        params = params_of(message)
        named = params.get("ref")
        ref: JsonObject = named if isinstance(named, dict) else {}
        if ref.get("type") == "ref/prompt":
            key = await self._find("prompts/list", str(ref.get("name")))
            if key is not None:
                return await self._ask(key.server, {**message, "params": {**params, "ref": {**ref, "name": key.tool}}})
        elif "uri" in ref:
            uri = str(ref["uri"])
            if not self._templates:
                await self._list("resources/templates/list")
            server = next((name for template, name in self._templates if template == uri), None) or await self._server_of(uri)
            if server is not None:
                return await self._ask(server, message)
        return error(message["id"], INVALID_PARAMS, "the completion refers to nothing that a server here has")

    async def _ask(self, name: str, message: JsonObject) -> JsonObject:
        self._routes[message["id"]] = name
        try:
            return await self._links[name].request(message)
        finally:
            self._routes.pop(message["id"], None)

    async def _ask_all(self, names: list[str], message: JsonObject) -> dict[str, JsonObject]:
        answers = await asyncio.gather(*(self._links[name].request(dict(message)) for name in names))
        return dict(zip(names, answers, strict=True))

    def _listener(self, name: str) -> Listener:
        """Takes what one server says; its requests get ids that no other server's can have."""

        async def hear(message: JsonObject, related: RequestId | None) -> None:
            if is_request(message):
                asked_as = f"{name}:{next(self._ids)}"
                self._asked[asked_as] = (name, message["id"])
                message = {**message, "id": asked_as}
            await self._emit(message, related)

        return hear


def merged_introduction(introductions: Mapping[str, JsonObject], wanted: str) -> JsonObject:
    """One ``initialize`` result for several servers: the oldest version, all capabilities, every server's instructions.

    ``introductions`` are their own results by name; ``wanted`` is the version to tell when they speak none that is known.
    """
    spoken = [str(told.get("protocolVersion")) for told in introductions.values()]
    known = [version for version in HANDSHAKE_VERSIONS if version in spoken]
    capabilities: JsonObject = {}
    for told in introductions.values():
        for key, value in _capabilities(told).items():
            if isinstance(value, dict) and isinstance(capabilities.get(key), dict):
                capabilities[key] = {**capabilities[key], **value}
            else:
                capabilities[key] = value
    result: JsonObject = {
        "protocolVersion": known[0] if known else wanted,
        "capabilities": capabilities,
        "serverInfo": {"name": "firefly", "title": "Firefly gateway", "version": __version__},
    }
    instructions = [
        f"{name}: {told['instructions']}" for name, told in introductions.items() if isinstance(told.get("instructions"), str)
    ]
    if instructions:
        result["instructions"] = "\n\n".join(instructions)
    return result


def _capabilities(told: JsonObject) -> JsonObject:
    capabilities = told.get("capabilities")
    return capabilities if isinstance(capabilities, dict) else {}
