"""An upstream over a child's standard streams: one line, one message."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies.child import Child
from firefly_proxies.messages import (
    META_SUBSCRIPTION,
    REQUEST_CANCELLED,
    RequestId,
    error,
    is_own_id,
    is_response,
    meta_of,
    notification,
    params_of,
    with_subscription,
)
from firefly_proxies.upstream import MESSAGE_LIMIT, START_SECONDS, Listener

STRAY_BYTES = 1024 * 1024
"""A server that writes so much that is not JSON before its first message does not speak MCP."""


def say(message: str) -> None:
    """Tell the user on standard error."""
    print(f"firefly: {message}", file=sys.stderr, flush=True)


class _Pending(NamedTuple):
    client_id: RequestId
    token: Any
    future: asyncio.Future[JsonObject]
    listens: bool


class StdioUpstream:
    """A session with a child process. Requests get ids of our own, so that no two that are in flight are alike."""

    def __init__(
        self,
        child: Child,
        listener: Listener,
        *,
        start_seconds: float = START_SECONDS,
        note: Callable[[str], None] = say,
    ) -> None:
        """Speak to a child that was just started.

        Args:
            child: the process.
            listener: takes what the server says unasked.
            start_seconds: how long its first answer may take.
            note: is told once if the child writes lines that are not JSON.
        """
        self._child = child
        self._listener = listener
        self._start_seconds = start_seconds
        self._note = note
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._spoken = False
        self._strays = 0
        self._failure: ServerError | None = None
        assert child.process.stdin is not None
        self._stdin = child.process.stdin
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def request(self, message: JsonObject) -> JsonObject:
        """Ask; see :class:`~firefly_proxies.upstream.Upstream`."""
        if self._failure is not None:
            raise self._failure
        own_id = next(self._ids)
        future: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._pending[own_id] = _Pending(
            message["id"], meta_of(message).get("progressToken"), future, message["method"] == "subscriptions/listen"
        )
        try:
            await self._write({**message, "id": own_id})
            if self._spoken:
                answer = await future
            else:
                answer = await self._first_answer(future)
        except asyncio.CancelledError:
            if message["method"] != "initialize" and self._failure is None:
                told = {"requestId": own_id, "reason": "the client is gone"}
                self._stdin.write(dumps(notification("notifications/cancelled", told)) + b"\n")
            raise
        except ServerError:
            if future.done() and not future.cancelled():
                future.exception()  # the same trouble; asyncio would complain that nobody has looked at it
            raise
        finally:
            self._pending.pop(own_id, None)
        answer["id"] = message["id"]
        return with_subscription(answer, message["id"])

    async def notify(self, message: JsonObject) -> None:
        """Pass on; see :class:`~firefly_proxies.upstream.Upstream`."""
        if self._failure is not None:
            raise self._failure
        if message.get("method") != "notifications/cancelled":
            await self._write(message)
            return
        wanted = params_of(message).get("requestId")
        for own_id, pending in list(self._pending.items()):
            if pending.client_id == wanted:
                await self._write({**message, "params": {**message["params"], "requestId": own_id}})
                if not pending.future.done():
                    pending.future.set_result(error(wanted, REQUEST_CANCELLED, "Request cancelled"))

    @property
    def ended(self) -> bool:
        """Whether the child is gone or was given up."""
        return self._failure is not None

    async def close(self) -> None:
        """End the child."""
        self._fail(ServerError(f"server {self._child.name!r} was stopped"))
        try:
            await self._child.stop()
        finally:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _first_answer(self, future: asyncio.Future[JsonObject]) -> JsonObject:
        try:
            async with asyncio.timeout(self._start_seconds):
                return await future
        except TimeoutError:
            if self._spoken:
                return await future
            name, command = self._child.name, self._child.command
            failure = ServerError(
                f"server {name!r} did not answer within {self._start_seconds:g} s: {command}{self._child.last_words()}"
            )
            self._fail(failure)
            await self._child.stop()
            raise failure from None

    async def _write(self, message: JsonObject) -> None:
        try:
            self._stdin.write(dumps(message) + b"\n")
            await self._stdin.drain()
        except (ConnectionError, RuntimeError, OSError):
            # The reader sees the end too, and knows more: how the child ended and what it said.
            await asyncio.wait({self._reader}, timeout=5)
            raise self._failure or ServerError(f"server {self._child.name!r} closed its input") from None

    async def _read(self) -> None:
        assert self._child.process.stdout is not None
        buffer = bytearray()
        try:
            while chunk := await self._child.process.stdout.read(262144):
                buffer += chunk
                if b"\n" not in chunk:
                    if len(buffer) > MESSAGE_LIMIT:
                        raise ServerError(f"server {self._child.name!r} wrote a line of more than {MESSAGE_LIMIT} bytes")
                    continue
                *lines, rest = bytes(buffer).split(b"\n")
                buffer = bytearray(rest)
                for line in lines:
                    await self._take(line)
            failure = ServerError(f"server {self._child.name!r} {await self._child.exit_note()}: {self._child.command}")
        except ServerError as trouble:
            failure = trouble
        self._fail(failure)

    async def _take(self, line: bytes) -> None:
        if not line or line.isspace():
            return
        try:
            message = loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or "jsonrpc" not in message:
            self._stray(line)
            return
        self._spoken = True
        if is_response(message):
            pending = self._pending.get(message["id"]) if isinstance(message["id"], int) else None
            if pending is not None and not pending.future.done():
                pending.future.set_result(message)
            return
        subscription = meta_of(message).get(META_SUBSCRIPTION)
        if isinstance(subscription, int) and subscription in self._pending:
            client_id = self._pending[subscription].client_id
            await self._listener(with_subscription(message, client_id), client_id)
        else:
            await self._listener(message, self._related(message))

    def _related(self, message: JsonObject) -> RequestId | None:
        """The client's request that a message belongs to: by its progress token, or because it is the only one in flight.

        Subscriptions do not count: they are always in flight.
        """
        token = params_of(message).get("progressToken")
        if token is not None:
            return next((pending.client_id for pending in self._pending.values() if pending.token == token), None)
        if str(message.get("method", "")).endswith("list_changed"):
            return None
        ids = [pending.client_id for pending in self._pending.values() if not (pending.listens or is_own_id(pending.client_id))]
        return ids[0] if len(ids) == 1 else None

    def _stray(self, line: bytes) -> None:
        if self._strays == 0:
            shown = line[:80].decode("utf-8", "replace").strip()
            self._note(
                f"server {self._child.name!r} writes lines that are not JSON-RPC on its standard output; skipped: {shown!r}"
            )
        self._strays += len(line)
        if not self._spoken and self._strays > STRAY_BYTES:
            raise ServerError(
                f"server {self._child.name!r} does not speak MCP, it wrote {self._strays} bytes of something else:"
                f" {self._child.command}"
            )

    def _fail(self, failure: ServerError) -> None:
        if self._failure is None:
            self._failure = failure
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(self._failure)
