"""POST over plain HTTP/1.1 to a server on this machine: uvicorn's parser (httptools) on an asyncio protocol, and no more.

The cost of a recorded call is mostly that of the HTTP client. Measured here, a POST with aiohttp takes 0.09 to 0.15 ms of
processor time, this one 0.03 to 0.05 (``benchmarks/relay.py``). Servers beyond this machine, TLS, the system's proxies and all
that is not a POST stay with aiohttp; a reply has the part of its interface that :mod:`firefly_proxies.upstream_http` uses.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType

import aiohttp
from yarl import URL

from firefly_mcp import __version__
from firefly_proxies.http_checks import LOOPBACK
from firefly_proxies.http_connection import Connection

_CONNECT_SECONDS = 30.0
_IDLE_SECONDS = 15.0
_AGENT = f"User-Agent: firefly-mcp/{__version__}\r\n"


class LocalPosts:
    """The kept connections to one server, and the POSTs over them."""

    def __init__(self, url: URL) -> None:
        """Nothing is opened yet. See :func:`local_posts`."""
        self._host, self._port = url.host or "", url.port or 80
        self._start = f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n{_AGENT}"
        self._idle: deque[tuple[float, Connection]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Post:
        """A POST, sent when its ``async with`` is entered; that gives the reply once its headers are there.

        Raises:
            aiohttp.ClientError: a header that cannot be sent; on entering also ``OSError``, no connection or no reply.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if lines.count("\r") + lines.count("\n") != 2 * len(headers) or "\0" in lines:
            raise aiohttp.ClientError("a header holds a line break or a NUL")
        return Post(self, f"{self._start}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def take(self) -> Connection:
        """An open connection that is in no use."""
        while self._idle:
            _, kept = self._idle.pop()
            if not kept.lost:
                return kept
        async with asyncio.timeout(_CONNECT_SECONDS):
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self.keep), self._host, self._port)
        return connection

    def keep(self, connection: Connection) -> None:
        """Take a connection back."""
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time() + _IDLE_SECONDS, connection))
        if self._sweeper is None:
            self._sweeper = loop.call_later(_IDLE_SECONDS, self._sweep)

    def close(self) -> None:
        """Close what is kept."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._idle.pop()[1].close()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and (self._idle[0][0] <= loop.time() or self._idle[0][1].lost):
            self._idle.popleft()[1].close()
        self._sweeper = loop.call_at(self._idle[0][0], self._sweep) if self._idle else None


def local_posts(url: str) -> LocalPosts | None:
    """The client for a URL if it is one for this module: plain HTTP, on this machine, with no name and password in it."""
    parsed = URL(url)
    if parsed.scheme != "http" or parsed.host not in LOOPBACK or parsed.user is not None or parsed.password is not None:
        return None
    return LocalPosts(parsed)


class Post:
    """One POST, as an asynchronous context."""

    def __init__(self, posts: LocalPosts, data: bytes) -> None:
        """See :meth:`LocalPosts.post`."""
        self._posts = posts
        self._data = data
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        """Send, and wait for the reply's headers."""
        connection = self._connection = await self._posts.take()
        try:
            await connection.send(self._data)
        except BaseException:
            connection.close()
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the connection if the reply is or will soon be read to its end; after an error, close it."""
        assert self._connection is not None
        if kind is None:
            self._connection.park()
        else:
            self._connection.close()
