"""MCP on standard input and output: one line, one message. Standard output carries nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Awaitable, Callable
from typing import BinaryIO

from firefly_mcp.errors import FireflyError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies.conversation import AtOnce, Conversation, ConversationFactory, Opening
from firefly_proxies.messages import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    RequestId,
    error,
    is_notification,
    is_request,
    is_response,
    params_of,
)
from firefly_proxies.stdio_lines import Lines

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message."""
_WRITTEN_AT_ONCE = 256 * 1024
"""Bytes of answers that are joined."""
DRAIN_SECONDS = 1.5
"""How long requests in flight may go on when the input has ended; a client kills a server that takes longer than 2 s."""
Write = Callable[[bytes], Awaitable[None]]


class StdioFront:
    """One conversation over a pair of byte streams. Requests are answered concurrently, each when it is ready."""

    def __init__(self, factory: ConversationFactory, reader: asyncio.StreamReader, write: Write) -> None:
        """Serve a conversation of ``factory``."""
        self._factory = factory
        self._reader = reader
        self._write = write
        self._conversation: Conversation
        self._at_once: AtOnce | None = None
        self._running: dict[RequestId, asyncio.Task[None]] = {}
        self._cancelled: set[RequestId] = set()

    async def run(self) -> None:
        """Serve until the input ends.

        Raises:
            FireflyError: the conversation could not begin.
        """
        self._conversation = await self._factory.open(Opening("stdio"), self._emit)
        self._at_once = getattr(self._conversation, "at_once", None)
        try:
            lines = Lines(self._reader, LINE_LIMIT)
            while arrived := await lines.next():
                await self._take_all(arrived)
            if self._running:
                await asyncio.wait(self._running.values(), timeout=DRAIN_SECONDS)
        finally:
            for task in list(self._running.values()):
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await self._conversation.close()

    async def _take_all(self, lines: list[bytes | None]) -> None:
        """Take lines in their order; what is answered at once is written in one piece."""
        answers: list[bytes] = []
        size = 0
        for line in lines:
            answer = None if line is None else self._answered(line)
            if answer is not None:
                answers.append(answer)
                size += len(answer)
                if size < _WRITTEN_AT_ONCE:
                    continue
            if answers:
                await self._put(b"\n".join([*answers, b""]))
                answers, size = [], 0
            if line is None:
                await self._send(error(None, INVALID_REQUEST, f"the message is larger than {LINE_LIMIT} bytes"))
            elif answer is None:
                await self._take(line)
        if answers:
            await self._put(b"\n".join([*answers, b""]))

    def _answered(self, line: bytes) -> bytes | None:
        """The answer of a conversation that has it at once."""
        if self._at_once is None or self._running:
            return None
        try:
            return self._at_once(line)
        except Exception as trouble:
            print(f"firefly: a conversation failed to answer at once: {trouble}", file=sys.stderr)
            return None

    async def _take(self, line: bytes) -> None:
        try:
            message = loads(line)
        except (ValueError, RecursionError):
            await self._send(error(None, PARSE_ERROR, "Parse error: the line is not JSON"))
            return
        if is_request(message):
            request_id = message["id"]
            if request_id in self._running:
                await self._send(error(request_id, INVALID_REQUEST, "a request with this id is already in flight"))
                return
            self._running[request_id] = asyncio.get_running_loop().create_task(self._answer(message))
        elif is_notification(message) or is_response(message):
            await self._notify(message)
        else:
            what = "JSON-RPC batches are not part of this protocol" if isinstance(message, list) else "not a JSON-RPC message"
            await self._send(error(None, INVALID_REQUEST, f"Invalid request: {what}"))

    async def _notify(self, message: JsonObject) -> None:
        if message.get("method") == "notifications/cancelled":
            request_id = params_of(message).get("requestId")
            if request_id in self._running:
                self._cancelled.add(request_id)
        try:
            await self._conversation.notify(message)
        except Exception as trouble:
            print(f"firefly: {message.get('method', 'a response')}: {trouble}", file=sys.stderr)

    async def _answer(self, message: JsonObject) -> None:
        request_id = message["id"]
        try:
            answer = await self._conversation.request(message)
        except Exception as trouble:
            answer = error(request_id, INTERNAL_ERROR, f"internal error: {type(trouble).__name__}: {trouble}")
        finally:
            self._running.pop(request_id, None)
        if request_id in self._cancelled:  # the protocol wants no answer to a cancelled request
            self._cancelled.discard(request_id)
            return
        await self._send(answer)

    async def _emit(self, message: JsonObject, related: RequestId | None) -> None:
        await self._send(message)

    async def _send(self, message: JsonObject) -> None:
        await self._put(dumps(message) + b"\n")

    async def _put(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            await self._write(data)


async def stdio_streams(source: BinaryIO, sink: BinaryIO) -> tuple[asyncio.StreamReader, Write]:
    """Wrap two files as a reader and a function that writes; pipes, sockets and terminals do not block."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    if _can_wait(source):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    else:  # as in `firefly replay < requests.jsonl`
        reader.feed_data(await loop.run_in_executor(None, source.read))
        reader.feed_eof()
    if not _can_wait(sink):

        async def write_file(data: bytes) -> None:
            sink.write(data)
            sink.flush()

        return reader, write_file
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    async def write_pipe(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return reader, write_pipe


def _can_wait(file: BinaryIO) -> bool:
    """Whether an event loop can wait for the file: not for regular files and the null device (uvloop would abort)."""
    mode = os.fstat(file.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()


async def speak_stdio(factory: ConversationFactory) -> None:
    """Serve one conversation on this process's standard streams until the input ends, then close the factory.

    Raises:
        FireflyError: the conversation could not begin.
    """
    try:
        reader, write = await stdio_streams(sys.stdin.buffer, sys.stdout.buffer)
        await StdioFront(factory, reader, write).run()
    finally:
        with contextlib.suppress(FireflyError):
            await factory.close()
