"""Which of several worker processes a request belongs to, and how its connection gets there.

All workers accept from one port, and a session lives in one of them: its state is there. A request that belongs to another
worker is handed over with its connection: the worker gets the open socket, and what was read from it. A client that has a
connection to each session thus pays once; one that mixes sessions on a connection pays for each change.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import tempfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import httptools

from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies.messages import META_SESSION, STATELESS_VERSIONS, session_named_in

_NAMED = META_SESSION.encode()
_INLINE = 32 * 1024
"""Bytes that travel in the message itself; more travel as a file."""
_HEADS_KEPT = 4096
_RETRY_SECONDS = 0.001

Guest = JsonObject
"""A session of another worker: ``{"id", "initialize", "query", "headers"}``."""


class Head(NamedTuple):
    """What of a request's head decides where it belongs."""

    length: int | None
    session: str | None
    name: str | None
    stateless: bool


class Place(NamedTuple):
    """Where a request goes: to which worker, what it must know of the session, and whether it is to answer or to look again."""

    worker: int
    guest: Guest | None = None
    final: bool = True


class Handed(NamedTuple):
    """A connection that comes from another worker."""

    sock: socket.socket
    data: bytes
    guest: Guest | None
    final: bool


class Desk:
    """One worker's view of where requests belong."""

    def __init__(self, number: int, inbox: socket.socket, outboxes: Sequence[socket.socket]) -> None:
        """Stand at worker ``number``; ``outboxes`` lead to all workers, in order."""
        self.number = number
        self._inbox = inbox
        self._outboxes = outboxes
        self._turn = itertools.count(number)
        self._heads: dict[bytes, Head] = {}
        self.guest_of: Callable[[str], Guest | None] = lambda session_id: None
        """What another worker must know of a session of this one; set by the front."""

    @property
    def prefix(self) -> str:
        """What the ids of this worker's sessions begin with."""
        return f"{self.number}-"

    def head(self, data: bytes) -> Head:
        """Read a request's head, which ends with an empty line."""
        known = self._heads.get(data)
        if known is None:
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.clear()
            known = self._heads[data] = _read(data)
        return known

    def place(self, head: Head, body: bytes) -> Place:
        """The worker that a request belongs to."""
        own = _number_in(head.session, len(self._outboxes))
        name = _name_in(body)
        if name is not None:
            target = zlib.crc32(name.encode()) % len(self._outboxes)
            if head.session is None or own is None or target == own:
                return Place(target)
            if own == self.number:
                return Place(target, self.guest_of(head.session))
            if target == self.number and self.guest_of(head.session) is not None:
                return Place(target)
            return Place(own, final=False)  # only that worker can tell the other one of the session
        if head.session is not None:
            return Place(self.number if own is None else own)
        if head.name is not None:
            return Place(zlib.crc32(head.name.encode()) % len(self._outboxes))
        if head.stateless or b'"initialize"' not in body:
            return Place(self.number)
        return Place(next(self._turn) % len(self._outboxes))

    def hand_over(self, place: Place, fd: int, data: bytes) -> None:
        """Send a connection to another worker; ``fd`` is closed here once it is on its way."""
        fds = [fd]
        told = dumps({"guest": place.guest, "final": place.final, "file": len(data) > _INLINE}) + b"\n"
        if len(data) > _INLINE:
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.flush()
                fds.append(os.dup(file.fileno()))
        else:
            told += data
        self._send(place.worker, told, fds)

    def _send(self, worker: int, told: bytes, fds: list[int]) -> None:
        try:
            socket.send_fds(self._outboxes[worker], [told], fds)
        except BlockingIOError:
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._send, worker, told, fds)
            return
        except OSError:  # that worker is gone: its clients see their connections close
            pass
        for fd in fds:
            os.close(fd)

    def listen(self, take: Callable[[Handed], object]) -> None:
        """Have ``take`` called with each connection that comes."""
        asyncio.get_running_loop().add_reader(self._inbox.fileno(), self._receive, take)

    def close(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._inbox.fileno())

    def _receive(self, take: Callable[[Handed], object]) -> None:
        while True:
            try:
                message, fds, _, _ = socket.recv_fds(self._inbox, 4 * _INLINE, 2)
            except BlockingIOError:
                return
            if not fds:
                continue
            told, _, data = message.partition(b"\n")
            said = json.loads(told)
            if said["file"]:
                with os.fdopen(fds[1], "rb") as file:
                    file.seek(0)
                    data = file.read()
            sock = socket.socket(fileno=fds[0])
            sock.setblocking(False)
            take(Handed(sock, data, said["guest"], said["final"]))


class _Parsed:
    """The callbacks of the parser."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value


def _read(data: bytes) -> Head:
    parsed = _Parsed()
    try:
        httptools.HttpRequestParser(parsed).feed_data(data)
        query = dict(parse_qsl((httptools.parse_url(parsed.url).query or b"").decode("latin-1")))
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return Head(None, None, None, False)  # the front says what is wrong with it
    headers = parsed.headers
    length = headers.get(b"content-length", b"")
    session = headers.get(b"mcp-session-id")
    version = headers.get(b"mcp-protocol-version", b"").strip().decode("latin-1")
    return Head(
        int(length) if length.isdigit() else None,
        None if session is None else session.decode("latin-1"),
        query.get("session") or None,
        version in STATELESS_VERSIONS,
    )


def _number_in(session: str | None, workers: int) -> int | None:
    number = (session or "").partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and int(number) < workers else None


def _name_in(body: bytes) -> str | None:
    if _NAMED not in body and b"\\" not in body:
        return None
    try:
        message: Any = loads(body)
    except (ValueError, RecursionError):
        return None
    return session_named_in(message) if isinstance(message, dict) else None
