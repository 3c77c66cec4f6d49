"""The ``Mcp-Param-*`` headers of the stateless era: what a tool call's headers say of its arguments must be what its body says.

A server at a URL checks them itself. A server that is a process never sees a header, so that the proxy checks in its place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_proxies.envelope import decode_value
from firefly_proxies.messages import HEADER_MISMATCH, error, params_of

Ask = Callable[[JsonObject], Awaitable[JsonObject]]
"""Asks the server for a page of its tools: the params of ``tools/list`` in, its response out."""

PREFIX = "mcp-param-"
_ANNOTATION = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WHOLE = re.compile(r"-?[0-9]+(\.0+)?")
_PAGES = 100


class _Mirrored(NamedTuple):
    """An argument that a header repeats: the keys that lead to it, the header's name in lower case, the argument's type."""

    path: tuple[str, ...]
    header: str
    kind: str


class ParamHeaders:
    """Knows which arguments of which tools are repeated in headers; learnt from the server's own list of tools."""

    def __init__(self) -> None:
        self._tools: dict[str, list[_Mirrored]] = {}
        self._asking = asyncio.Lock()

    def learn(self, tools: Iterable[JSON]) -> None:
        """Take the definitions of some tools."""
        for tool in tools:
            if isinstance(tool, dict):
                self._tools[str(tool.get("name"))] = _mirrored(tool.get("inputSchema"))

    async def refusal(self, message: JsonObject, headers: Mapping[str, str], ask: Ask) -> JsonObject | None:
        """The error for a request whose headers disagree with its arguments, or None.

        Args:
            message: the client's request.
            headers: its ``mcp-param-*`` headers, names in lower case.
            ask: asks for the tools when the one that is called is not known yet.
        """
        params = params_of(message)
        name, given = params.get("name"), params.get("arguments")
        arguments: JsonObject = given if isinstance(given, dict) else {}
        if message["method"] != "tools/call" or not isinstance(name, str) or not (arguments or headers):
            return None
        if name not in self._tools:
            async with self._asking:
                if name not in self._tools:
                    await self._list(ask)
        for mirrored in self._tools.get(name, ()):
            wrong = _disagreement(mirrored, arguments, headers)
            if wrong is not None:
                return error(message["id"], HEADER_MISMATCH, wrong)
        return None

    async def _list(self, ask: Ask) -> None:
        """Ask for all pages; what a server does not tell cannot be checked."""
        params: JsonObject = {}
        for _ in range(_PAGES):
            result = (await ask(params)).get("result")
            if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
                return
            self.learn(result["tools"])
            if result.get("nextCursor") is None:
                return
            params = {"cursor": result["nextCursor"]}


def _mirrored(schema: Any) -> list[_Mirrored]:
    """The annotated arguments of a tool; none where an annotation breaks the rules, since clients then send no header."""
    found = list(_annotated(schema, ()))
    names = [mirrored.header for mirrored in found]
    sound = all(_TOKEN.fullmatch(name.removeprefix(PREFIX)) for name in names) and len(set(names)) == len(names)
    return found if sound and all(mirrored.kind in ("string", "integer", "boolean") for mirrored in found) else []


def _annotated(schema: Any, path: tuple[str, ...]) -> Iterator[_Mirrored]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        header = inner.get(_ANNOTATION)
        if header is not None:
            yield _Mirrored((*path, name), PREFIX + str(header).lower(), str(inner.get("type")))
        yield from _annotated(inner, (*path, name))


def _disagreement(mirrored: _Mirrored, arguments: JsonObject, headers: Mapping[str, str]) -> str | None:
    """Why a header and its argument disagree, or None: they are equal, or neither is there."""
    value: Any = arguments
    for key in mirrored.path:
        value = value.get(key) if isinstance(value, dict) else None
    sent = headers.get(mirrored.header)
    name, where = mirrored.header, f"the argument {'.'.join(mirrored.path)!r}"
    if value is None or isinstance(value, (dict, list)):
        return None if sent is None else f"{name} header is present but {where} has no such value"
    if sent is None:
        return f"{name} header is missing but {where} is present"
    said = decode_value(sent.strip())
    if said is None:
        return f"{name} header is not the base64 that it claims to be"
    if mirrored.kind == "integer" and not isinstance(value, (bool, str)) and _WHOLE.fullmatch(said):
        agrees = int(said.partition(".")[0]) == value
    else:
        agrees = said == (str(value).lower() if isinstance(value, bool) else str(value))
    return None if agrees else f"{name} header does not match {where}"
