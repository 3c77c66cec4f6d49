"""A raw MCP client over streamable HTTP, so light that the proxy is what is measured and not its client.

One connection, one request at a time, keep-alive; the handshake era (2025-11-25). Parsing is httptools'.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import orjson

VERSION = "2025-11-25"
ANSWER_SECONDS = 15.0
"""An answer that takes longer counts as lost."""


class LostError(Exception):
    """The connection ended, or no answer came in time, before the answer was complete."""


class RefusedError(Exception):
    """An answer came, and it is an error."""


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; also the callbacks of its parser."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[None] | None = None
        self.closed = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as trouble:
            self._fail(LostError(str(trouble)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail(LostError("connection closed"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def _fail(self, trouble: LostError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(trouble)

    async def exchange(self, head: bytes, body: bytes = b"") -> bytes:
        """Send a request whose ``head`` lacks only its length; gives the answer's body."""
        if self.closed or self._transport is None:
            raise LostError("connection closed")
        self._reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._fail, LostError("no answer in time"))
        try:
            await self._answer
        finally:
            timer.cancel()
        return b"".join(self._parts)

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()


class Session:
    """One MCP session on a connection of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = parts.path.encode()
        self._ids = itertools.count(1)
        self._connection = Connection()
        self._session_headers = b""

    async def open(self) -> None:
        """Connect and shake hands.

        Raises:
            LostError: no connection, or no answer.
            RefusedError: the server said no.
        """
        await self._connect()
        client = {"name": "benchmark", "version": "1"}
        await self.request("initialize", {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client})
        lines = [b"mcp-protocol-version: " + VERSION.encode()]
        named = self._connection.headers.get(b"mcp-session-id")
        if named is not None:
            lines.append(b"mcp-session-id: " + named)
        self._session_headers = b"".join(line + b"\r\n" for line in lines)
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self._connection.exchange(self._head(b"POST"), orjson.dumps(told))

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request.

        Raises:
            RefusedError: an error came.
        """
        answer = await self.ask(method, params)
        if "error" in answer or answer["result"].get("isError"):
            raise RefusedError(f"{method}: {str(answer)[:200]}")
        result: dict[str, Any] = answer["result"]
        return result

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, errors too; it may come as JSON or as the last event of a stream."""
        if self._connection.closed:
            await self._connect()
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        body = await self._connection.exchange(self._head(b"POST"), orjson.dumps(message))
        if self._connection.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            body = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:") and b'"id"' in line][-1]
        if self._connection.status != 200:
            raise RefusedError(f"{method}: status {self._connection.status}: {body[:200]!r}")
        answer: dict[str, Any] = orjson.loads(body)
        return answer

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool call."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments})

    async def end(self) -> None:
        """End the session at the server, and the connection."""
        if not self._connection.closed:
            await self._connection.exchange(self._head(b"DELETE"))
        self._connection.close()

    def drop(self) -> None:
        """Leave without a word."""
        self._connection.close()

    async def _connect(self) -> None:
        try:
            _, self._connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        except OSError as trouble:
            raise LostError(str(trouble)) from trouble

    def _head(self, method: bytes) -> bytes:
        return (
            b"%s %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: application/json, text/event-stream\r\n"
            b"content-type: application/json\r\n%s" % (method, self._path, self._port, self._session_headers)
        )


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Session]:
    """A session for the length of the block."""
    opened = Session(url)
    await opened.open()
    try:
        yield opened
    finally:
        try:
            await opened.end()
        except LostError:
            opened.drop()
