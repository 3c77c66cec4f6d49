"""A shorter way through the HTTP front for conversations that can answer at once, without a task, a timer or a second parse.

A client's requests of one session have the same head, but for the length of the body. A head that has once gone the whole way
through the parser and every check of the front is remembered to the byte; a request with the same bytes needs no second look,
and its body goes straight to the conversation. Whatever the conversation does not answer at once, and every request that is not
exactly one such head with its body, goes the ordinary way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from firefly_proxies.conversation import AtOnce
from firefly_proxies.http_checks import Headers
from firefly_proxies.http_protocol import OneWriteProtocol

if TYPE_CHECKING:
    from firefly_proxies.channels import Session

_HEADS_KEPT = 8192
_LONGEST_HEAD = 4096
_ODD = (b"transfer-encoding", b"expect", b"upgrade", b"connection")
_log = logging.getLogger(__name__)

Scope = dict[str, Any]


class _Known(NamedTuple):
    length: int
    session: Session
    at_once: AtOnce
    start: bytes


class Shortcuts:
    """The heads that are known, and what they stand for."""

    def __init__(self, session_of: Callable[[Scope, Headers], Session | None], alive: Callable[[Session], bool]) -> None:
        """Begin with none.

        Args:
            session_of: the session of a POST that passes every check of the front; None for one that does not.
            alive: whether a session has not ended.
        """
        self._session_of = session_of
        self._alive = alive
        self._heads: dict[bytes, _Known] = {}

    def known(self, head: bytes) -> _Known | None:
        """What a head stands for, if it is known and its session has not ended."""
        found = self._heads.get(head)
        return found if found is None or self._alive(found.session) else None

    def learn(self, head: bytes, scope: Scope) -> None:
        """Remember the head of a request that was parsed to ``scope``, if it is one for this way."""
        listed = scope["headers"]
        headers: Headers = dict(listed)
        length = headers.get(b"content-length", b"")
        if len(headers) != len(listed) or scope["http_version"] != "1.1" or not length.isdigit() or len(head) > _LONGEST_HEAD:
            return
        if any(name in headers and headers[name].lower() != b"keep-alive" for name in _ODD):
            return
        session = self._session_of(scope, headers)
        at_once: AtOnce | None = None if session is None else getattr(session.channel.conversation, "at_once", None)
        if session is None or at_once is None:
            return
        if len(self._heads) >= _HEADS_KEPT:
            self._heads.clear()
        told = b"".join(b"%s: %s\r\n" % header for header in session.headers)
        start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + told + b"content-length: "
        self._heads[head] = _Known(int(length), session, at_once, start)


class ShortcutProtocol(OneWriteProtocol):
    """uvicorn's protocol, with the shorter way before it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the application whether it has a shorter way."""
        super().connection_made(transport)
        self._direct = transport
        self._shortcuts: Shortcuts | None = getattr(self.app, "shortcuts", None)
        self._begun = 0
        self._inside = False
        self._used = False

    def data_received(self, data: bytes) -> None:
        """Answer at once, or leave it to uvicorn, and learn the head."""
        shortcuts = self._shortcuts
        if shortcuts is None or self._inside or not data.startswith(b"POST "):
            super().data_received(data)
            return
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        known = shortcuts.known(head)
        if known is not None and len(data) - end == known.length and self._idle():
            answer = _answered(known, data[end:])
            if answer is not None:
                self._used = True
                self._direct.write(answer)
                return
        before = self._begun
        super().data_received(data)
        if known is None and end > 3 and self._begun == before + 1 and not self._inside:
            shortcuts.learn(head, self.scope)  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Note that the parser is inside a request."""
        self._begun += 1
        self._inside = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that it is between two."""
        self._inside = False
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """A connection on which the shorter way was taken since is not idle."""
        if self._used:
            self._used = False
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _idle(self) -> bool:
        """Whether no request is in flight on the connection, and its client reads what it is sent."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused


def _answered(known: _Known, body: bytes) -> bytes | None:
    try:
        answer = known.at_once(body)
    except Exception:
        _log.exception("a conversation failed to answer at once")
        return None
    if answer is None:
        return None
    known.session.channel.last_used = time.monotonic()
    return b"%s%d\r\n\r\n%s" % (known.start, len(answer), answer)
