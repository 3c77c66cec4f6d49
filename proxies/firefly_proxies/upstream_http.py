"""An upstream over streamable HTTP, in both protocol eras, on aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies import sse
from firefly_proxies.conversation import PARAM_HEADERS
from firefly_proxies.envelope import routing_headers
from firefly_proxies.http_checks import LOOPBACK
from firefly_proxies.http_connection import Connection
from firefly_proxies.http_post import LocalPosts, local_posts
from firefly_proxies.messages import is_response, notification, version_of
from firefly_proxies.upstream import MESSAGE_LIMIT, START_SECONDS, Listener, RefusedError

_ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
_RECONNECTS = 5
_RETRY_MS = 1000
Reply = aiohttp.ClientResponse | Connection
_PASSED_ON = ("WWW-Authenticate", "Retry-After")


class HttpPool:
    """The connections that all upstreams of a proxy share. No cookies: they would mix the sessions up."""

    def __init__(self) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._posts: dict[str, LocalPosts | None] = {}

    def session(self, url: str) -> aiohttp.ClientSession:
        """The client for a URL; the system's proxy settings are for hosts beyond this one."""
        beyond = (urlsplit(url).hostname or "") not in LOOPBACK
        if beyond not in self._sessions:
            self._sessions[beyond] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=None),
                trust_env=beyond,
                auto_decompress=True,
            )
        return self._sessions[beyond]

    def posts(self, url: str) -> LocalPosts | None:
        """The lean client for what is POSTed to a URL of this machine; None for other URLs."""
        if url not in self._posts:
            self._posts[url] = local_posts(url)
        return self._posts[url]

    async def close(self) -> None:
        """Close all connections."""
        for posts in self._posts.values():
            if posts is not None:
                posts.close()
        self._posts.clear()
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


class HttpUpstream:
    """A session with a server at a URL."""

    def __init__(
        self,
        name: str,
        url: str,
        headers: Mapping[str, str],
        listener: Listener,
        pool: HttpPool,
        *,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Speak to the server at ``url``; nothing is sent yet.

        Args:
            name: the server's name, for messages.
            url: its endpoint.
            headers: sent with every request.
            listener: takes what the server says unasked.
            pool: the connections.
            start_seconds: how long ``initialize`` may take.
        """
        self._name = name
        self._url = url
        self._headers = dict(headers)
        self._listener = listener
        self._http = pool.session(url)
        self._posts = pool.posts(url)
        self._start_seconds = start_seconds
        self._session_id: str | None = None
        self._version: str | None = None
        self._stream: asyncio.Task[None] | None = None
        parts = urlsplit(url)
        self._shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"

    async def request(self, message: JsonObject) -> JsonObject:
        """Ask; see :class:`~firefly_proxies.upstream.Upstream`."""
        method = message["method"]
        if method not in ("initialize", "server/discover"):
            return await self._ask(message)
        try:
            async with asyncio.timeout(self._start_seconds):
                answer = await self._ask(message)
        except TimeoutError:
            raise ServerError(f"server {self._name!r} did not answer within {self._start_seconds:g} s: {self._shown}") from None
        if method == "initialize":
            self._version = (answer.get("result") or {}).get("protocolVersion")
        return answer

    async def notify(self, message: JsonObject) -> None:
        """Pass on; see :class:`~firefly_proxies.upstream.Upstream`."""
        async with self._post(message) as reply:
            if reply.status >= 300:
                await self._trouble(reply, None)
        if message.get("method") == "notifications/initialized" and self._stream is None:
            self._stream = asyncio.get_running_loop().create_task(self._listen())

    @property
    def ended(self) -> bool:
        """Never for good: the next request may find the server again."""
        return False

    async def close(self) -> None:
        """End the session at the server."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)
        if self._session_id is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(3), self._http.delete(self._url, headers=self._handshake_headers()):
                    pass

    async def _ask(self, message: JsonObject) -> JsonObject:
        try:
            async with self._post(message) as reply:
                if message["method"] == "initialize":
                    self._session_id = reply.headers.get("Mcp-Session-Id")
                if reply.status >= 300:
                    answer = await self._trouble(reply, message)
                elif reply.content_type == "text/event-stream":
                    answer = await self._follow(reply, message)
                else:
                    answer = self._parse(await self._read(reply), reply)
        except asyncio.CancelledError:
            if version_of(message) is None and message["method"] != "initialize":
                told = notification("notifications/cancelled", {"requestId": message["id"], "reason": "the client is gone"})
                with contextlib.suppress(ServerError):
                    await asyncio.shield(self.notify(told))
            raise
        answer["id"] = message["id"]
        return answer

    def _post(self, message: JsonObject) -> _Posted:
        version = version_of(message)
        if version is None or "method" not in message:
            headers = self._handshake_headers()
        else:
            headers = {**self._headers, **_ACCEPT, **routing_headers(message, version), **PARAM_HEADERS.get({})}
        if version is None and message.get("method") == "initialize":
            headers.pop("Mcp-Protocol-Version", None)
        data = dumps(message)
        if self._posts is not None:
            try:
                return _Posted(self._posts.post(data, headers), self._unreachable)
            except aiohttp.ClientError as trouble:
                raise self._unreachable(trouble) from trouble
        return _Posted(self._http.post(self._url, data=data, headers=headers, allow_redirects=False), self._unreachable)

    def _unreachable(self, trouble: Exception) -> ServerError:
        return ServerError(f"server {self._name!r} cannot be reached at {self._shown}: {_reason(trouble)}")

    def _handshake_headers(self) -> dict[str, str]:
        headers = {**self._headers, **_ACCEPT}
        if self._session_id is not None:
            headers["Mcp-Session-Id"] = self._session_id
        if self._version is not None:
            headers["Mcp-Protocol-Version"] = self._version
        return headers

    async def _read(self, reply: Reply) -> bytes:
        parts, size = [], 0
        async for chunk in reply.content.iter_any():
            size += len(chunk)
            if size > MESSAGE_LIMIT:
                raise ServerError(f"server {self._name!r} sent an answer of more than {MESSAGE_LIMIT} bytes")
            parts.append(chunk)
        return b"".join(parts)

    def _parse(self, body: bytes, reply: Reply) -> JsonObject:
        try:
            message = loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not is_response(message):
            shown = body[:120].decode("utf-8", "replace")
            raise ServerError(f"server {self._name!r} at {self._shown} answered {reply.status} with what is not MCP: {shown!r}")
        return message

    async def _trouble(self, reply: Reply, message: JsonObject | None) -> JsonObject:
        """The JSON-RPC error in an answer of the HTTP layer; without one, its status as an exception."""
        passed_on = {name: reply.headers[name] for name in _PASSED_ON if name in reply.headers}
        body = await self._read(reply)
        if reply.status < 400:
            where = urlsplit(reply.headers.get("Location", ""))._replace(query="").geturl()
            raise ServerError(f"server {self._name!r} at {self._shown} redirects to {where or 'nowhere'}; use that address")
        if reply.status in (401, 403):
            hint = "it wants authorization" if reply.status == 401 else "it refuses this client"
            raise RefusedError(f"server {self._name!r} at {self._shown}: {hint} ({reply.status})", reply.status, passed_on)
        if reply.status == 404 and self._session_id is not None:
            self._session_id = None
            raise RefusedError(
                f"server {self._name!r} at {self._shown} has ended the session; initialize again", 404, passed_on
            )
        with contextlib.suppress(ServerError):
            answer = self._parse(body, reply)
            if "error" in answer and message is not None:
                return answer
        shown = body[:120].decode("utf-8", "replace").strip()
        hint = "; is this the endpoint?" if reply.status == 404 else ""
        raise ServerError(
            f"server {self._name!r} at {self._shown} answered {reply.status}{hint}{f': {shown!r}' if shown else ''}"
        )

    async def _follow(self, reply: Reply, message: JsonObject) -> JsonObject:
        """Read a request's event stream to its answer, over reconnections where the server allows them."""
        place = _Place()
        answer = await self._events(reply, message, place)
        attempts = 0
        while answer is None:
            if place.last_id is None or attempts >= _RECONNECTS:
                raise ServerError(f"server {self._name!r} at {self._shown} ended the stream without an answer")
            attempts += 1
            await asyncio.sleep(place.retry_ms / 1000)
            before = place.last_id
            headers = {**self._handshake_headers(), "Accept": "text/event-stream", "Last-Event-ID": place.last_id}
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with self._http.get(self._url, headers=headers) as again:
                    if again.status == 200 and again.content_type == "text/event-stream":
                        answer = await self._events(again, message, place)
            if place.last_id != before:
                attempts = 0
        return answer

    async def _events(self, reply: Reply, message: JsonObject | None, place: _Place) -> JsonObject | None:
        """Pass on what a stream carries, until the answer to ``message`` or the end."""
        decoder = sse.Decoder(limit=MESSAGE_LIMIT)
        try:
            async for chunk in reply.content.iter_any():
                for event in decoder.feed(chunk):
                    place.last_id = event.id or place.last_id
                    place.retry_ms = place.retry_ms if event.retry_ms is None else event.retry_ms
                    said = self._said(event.data) if event.data else None
                    if said is not None and is_response(said):
                        if message is not None:
                            return said
                    elif said is not None:
                        await self._listener(said, None if message is None else message["id"])
        except (aiohttp.ClientError, OSError):
            pass  # cut off: what is missing may be had by reconnecting
        return None

    def _said(self, data: str) -> JsonObject:
        try:
            said = loads(data)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise ServerError(f"server {self._name!r} at {self._shown} sent an event that is not MCP: {data[:80]!r}")
        return said

    async def _listen(self) -> None:
        """Hold the GET stream open for what the server says of its own accord."""
        place = _Place()
        attempts = 0
        while attempts < _RECONNECTS:
            headers = {**self._handshake_headers(), "Accept": "text/event-stream"}
            if place.last_id is not None:
                headers["Last-Event-ID"] = place.last_id
            attempts += 1
            try:
                async with self._http.get(self._url, headers=headers) as reply:
                    if reply.status != 200 or reply.content_type != "text/event-stream":
                        return  # 405: the server has no such stream
                    attempts = 0
                    await self._events(reply, None, place)
            except (aiohttp.ClientError, OSError, ServerError, ValueError):
                pass
            await asyncio.sleep(place.retry_ms / 1000)


class _Posted:
    """A POST as an asynchronous context, in which the HTTP client's trouble is the server's. A class: generators cost more."""

    def __init__(self, posting: AbstractAsyncContextManager[Reply], explain: Callable[[Exception], ServerError]) -> None:
        self._posting = posting
        self._explain = explain

    async def __aenter__(self) -> Reply:
        try:
            return await self._posting.__aenter__()
        except (aiohttp.ClientError, OSError) as trouble:
            raise self._explain(trouble) from trouble

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._posting.__aexit__(kind, error, trace)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            raise self._explain(error) from error


class _Place:
    """How far a stream was read, and how long to wait before going on."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry_ms = _RETRY_MS


def _reason(trouble: Exception) -> str:
    return str(trouble) or type(trouble).__name__
