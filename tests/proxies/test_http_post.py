"""The lean POST client against servers that answer in every legal way, and in some illegal ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from firefly_proxies.http_connection import Connection
from firefly_proxies.http_post import LocalPosts, local_posts

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"


class Server:
    """How often it was connected to, and where it is."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""


@asynccontextmanager
async def served(speak: Speak) -> AsyncIterator[tuple[Server, LocalPosts]]:
    """A server that reads requests and answers each as ``speak`` does."""
    server = Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                server.requests.append(head + await reader.readexactly(length))
                await speak(reader, writer)

    handlers: list[asyncio.Task[None]] = []
    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp?a=b%20c"
    posts = local_posts(server.url)
    assert posts is not None
    try:
        yield server, posts
    finally:
        posts.close()
        listening.close()
        await listening.wait_closed()
        await asyncio.wait_for(asyncio.gather(*handlers), 5)


def saying(*pieces: bytes) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return speak


def closing(*pieces: bytes) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(*pieces)(reader, writer)
        writer.close()

    return speak


async def ask(posts: LocalPosts, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    async with posts.post(b'{"a":1}', headers or {}) as reply:
        return reply.status, b"".join([chunk async for chunk in reply.content.iter_any()])


async def test_a_request_says_all_that_http_wants_and_replies_share_a_connection() -> None:
    async with served(saying(OK + b"Content-Length: 2\r\n\r\n{}")) as (server, posts):
        assert await ask(posts, {"X-Name": "välue"}) == (200, b"{}")
        assert await ask(posts) == (200, b"{}")
        assert server.connections == 1
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /mcp?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:")
        assert "X-Name: välue".encode() in head.split(b"\r\n")
        assert body == b'{"a":1}'


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",),
        tuple(bytes([byte]) for byte in OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
        (OK, b"Content-Length: 6\r\n\r\n", b"abc", b"def"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", OK + b"Content-Length: 6\r\n\r\nabcdef"),
    ],
)
async def test_a_body_is_whole_however_it_is_framed_and_cut(pieces: tuple[bytes, ...]) -> None:
    async with served(saying(*pieces)) as (server, posts):
        for _ in range(2):
            async with posts.post(b"{}", {}) as reply:
                assert reply.content_type == "application/json"
                assert reply.headers["CONTENT-type"] == "application/json; charset=utf-8"
                assert "link" not in reply.headers
                assert b"".join([chunk async for chunk in reply.content.iter_any()]) == b"abcdef"
        assert server.connections == 1


async def test_a_body_may_end_with_its_connection_and_the_next_request_opens_another() -> None:
    async with served(closing(b"HTTP/1.1 200 OK\r\n\r\nabc")) as (server, posts):
        assert await ask(posts) == (200, b"abc")
        assert await ask(posts) == (200, b"abc")
        assert server.connections == 2


async def test_a_server_that_announces_the_end_of_a_connection_is_believed() -> None:
    async with served(saying(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")) as (server, posts):
        assert await ask(posts) == (200, b"{}")
        assert await ask(posts) == (200, b"{}")
        assert server.connections == 2


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (OK,),
        (OK + b"Content-Length: 9\r\n\r\nabc",),
        (b"SSH-2.0-x\r\n",),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",),
    ],
)
async def test_a_cut_or_broken_reply_is_an_error_and_not_a_short_body(pieces: tuple[bytes, ...]) -> None:
    async with served(closing(*pieces)) as (_, posts):
        with pytest.raises(OSError, match="closed the connection"):
            await ask(posts)


async def test_a_stream_is_read_as_it_comes_and_its_rest_is_taken_off_the_connection() -> None:
    rest = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await rest.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await writer.drain()

    async with served(speak) as (server, posts):
        async with posts.post(b"{}", {}) as reply:
            assert await anext(reply.content.iter_any()) == b"one"
        kept = asyncio.Event()
        told = reply._keep

        def keep(connection: Connection) -> None:
            told(connection)
            kept.set()

        reply._keep = keep
        rest.set()
        await asyncio.wait_for(kept.wait(), 5)
        assert await ask(posts) == (200, b"onetwo")
        assert server.connections == 1


async def test_a_client_that_stops_waiting_closes_the_connection() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        assert await reader.read() == b""
        gone.set()

    async with served(speak) as (_, posts):
        asking = asyncio.create_task(ask(posts))
        await asyncio.wait_for(arrived.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_large_body_is_held_back_until_it_is_read() -> None:
    size = 8 * 1024 * 1024
    body = saying(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    async with asyncio.timeout(20), served(body) as (_, posts), posts.post(b"{}", {}) as reply:
        while not reply._paused:  # noqa: ASYNC110 - nothing tells of it, that is the point
            await asyncio.sleep(0)
        assert reply._size < size
        assert sum([len(chunk) async for chunk in reply.content.iter_any()]) == size


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_smuggle_another_in(value: str) -> None:
    posts = local_posts("http://127.0.0.1:9/mcp")
    assert posts is not None
    with pytest.raises(aiohttp.ClientError, match="line break"):
        posts.post(b"{}", {"X-Name": value})


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/mcp", "http://example.com/mcp", "http://ada:pw@127.0.0.1/mcp", "http://127.0.0.1.example.com/"]
)
def test_only_plain_http_on_this_machine_is_for_this_client(url: str) -> None:
    assert local_posts(url) is None
