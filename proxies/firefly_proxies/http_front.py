"""Streamable HTTP as a bare ASGI application: JSON-RPC messages go to conversations as JSON, in both protocol eras.

The handshake era (up to 2025-11-25) has sessions: ``initialize`` begins one, ``Mcp-Session-Id`` names it, GET opens a
stream, DELETE ends it. The stateless era (2026-07-28) has one POST per request; the header decides which era a request is of.
A request is answered as JSON, unless the conversation emits something for it first: then as an event stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from firefly_mcp.errors import FireflyError
from firefly_mcp.jsonio import JsonObject, loads
from firefly_proxies.channels import Channel, Channels, Session
from firefly_proxies.conversation import PARAM_HEADERS, ConversationFactory, Opening
from firefly_proxies.envelope import VERSION_HEADER, duplicated_header, rejection, status_of, unsupported
from firefly_proxies.event_stream import EventStream
from firefly_proxies.http_checks import Access, Headers, Refusal, accepts, is_json
from firefly_proxies.http_shortcut import Shortcuts
from firefly_proxies.http_streams import Exchange, HeaderList, Receive, Send, send_empty, send_json
from firefly_proxies.messages import (
    HANDSHAKE_VERSIONS,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    REQUEST_CANCELLED,
    STATELESS_VERSIONS,
    HttpError,
    error,
    is_notification,
    is_request,
    is_response,
    session_named_in,
    with_subscription,
)
from firefly_proxies.param_headers import PREFIX

Scope = dict[str, Any]
PATH = "/mcp"
BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of one request body."""
_PRIMED = HANDSHAKE_VERSIONS[-1].encode()
"""The version whose clients expect a stream to begin with an event that carries an id and no message."""
_HANDSHAKE_VERSION_HEADERS = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
_log = logging.getLogger(__name__)


class HttpFront:
    """The ASGI application. Call :meth:`close` when the server has stopped accepting."""

    def __init__(
        self,
        factory: ConversationFactory,
        *,
        access: Access | None = None,
        body_limit: int = BODY_LIMIT,
        idle_seconds: float = 1800.0,
        prefix: str = "",
    ) -> None:
        """Serve the conversations of ``factory``.

        Args:
            factory: opens one conversation for each client session.
            access: which hosts, origins and tokens are let in; loopback names without a token by default.
            body_limit: the largest request body in bytes.
            idle_seconds: sessions unused for so long are closed.
            prefix: what session ids begin with.
        """
        self._access = access or Access()
        self._body_limit = body_limit
        self.channels = Channels(factory, idle_seconds=idle_seconds, prefix=prefix)
        sessions = self.channels.sessions
        at_once = getattr(factory, "answers_at_once", False)
        self.shortcuts = Shortcuts(self._session_of, lambda session: session.id in sessions) if at_once else None
        """The shorter way of :mod:`firefly_proxies.http_shortcut`, if the factory's conversations know one."""

    async def close(self) -> None:
        """End all sessions, and then the factory."""
        await self.channels.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request."""
        headers: Headers = dict(scope["headers"])
        refusal = self._access.refusal(headers)
        if refusal is None and scope["path"].rstrip("/") != PATH:
            refusal = Refusal(404, f"Not found: the endpoint is {PATH}")
        if refusal is not None:
            await _refuse(send, refusal)
            return
        version = headers.get(VERSION_HEADER)
        stateless = version is not None and version.strip() not in _HANDSHAKE_VERSION_HEADERS
        method = scope["method"]
        if method == "POST":
            await self._post(scope, headers, stateless, receive, send)
        elif stateless:
            await _refuse(send, Refusal(405, "Method not allowed", headers=((b"allow", b"POST"),)))
        elif method in ("GET", "DELETE"):
            await self._session_method(method, headers, receive, send)
        else:
            await _refuse(send, Refusal(405, "Method not allowed", headers=((b"allow", b"GET, POST, DELETE"),)))

    def _session_of(self, scope: Scope, headers: Headers) -> Session | None:
        """The handshake session of a POST that the ordinary way would let through to it."""
        checked = (
            scope["method"] == "POST"
            and self._access.refusal(headers) is None
            and scope["path"].rstrip("/") == PATH
            and headers.get(VERSION_HEADER, _PRIMED).strip() in _HANDSHAKE_VERSION_HEADERS
            and all(accepts(headers))
            and is_json(headers)
            and int(headers[b"content-length"]) <= self._body_limit
        )
        return self.channels.sessions.get(headers.get(b"mcp-session-id", b"").decode("latin-1")) if checked else None

    async def _post(self, scope: Scope, headers: Headers, stateless: bool, receive: Receive, send: Send) -> None:
        json_accepted, stream_accepted = accepts(headers)
        if not (json_accepted and stream_accepted):
            refusal: Refusal | None = Refusal(406, "Not acceptable: accept both application/json and text/event-stream")
        elif not is_json(headers):
            refusal = Refusal(415, "Unsupported media type: send application/json")
        else:
            refusal = None
        body = None if refusal else await self._body(headers, receive)
        if body is None:
            await _refuse(send, refusal or Refusal(413, f"The request is larger than {self._body_limit} bytes"))
            return
        try:
            message = loads(body)
        except (ValueError, RecursionError):
            await _refuse(send, Refusal(400, "Parse error: the body is not JSON", PARSE_ERROR))
            return
        if not (is_request(message) or is_notification(message) or (is_response(message) and not stateless)):
            what = "JSON-RPC batches are not part of this protocol" if isinstance(message, list) else "not a JSON-RPC message"
            await _refuse(send, Refusal(400, f"Invalid request: {what}", INVALID_REQUEST))
            return
        if stateless:
            await self._stateless(scope, headers, message, receive, send)
        else:
            await self._handshake(scope, headers, message, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes | None:
        """The request's body, or None if it is too large."""
        declared = headers.get(b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > self._body_limit:
            return None
        received = await receive()
        body: bytes = received.get("body", b"")
        if received.get("more_body"):
            parts = [body]
            size = len(body)
            while received.get("more_body"):
                received = await receive()
                parts.append(received.get("body", b""))
                size += len(parts[-1])
                if size > self._body_limit:
                    return None
            body = b"".join(parts)
        return body if len(body) <= self._body_limit else None

    async def _handshake(self, scope: Scope, headers: Headers, message: JsonObject, receive: Receive, send: Send) -> None:
        session_id = headers.get(b"mcp-session-id")
        if session_id is None:
            if message.get("method") == "initialize" and "id" in message:
                await self._initialize(scope, headers, message, receive, send)
            else:
                await _refuse(send, Refusal(400, "Bad request: the Mcp-Session-Id header is missing; initialize first"))
            return
        session = self.channels.sessions.get(session_id.decode("latin-1"))
        if session is None:
            await _refuse(send, Refusal(404, "Session not found; initialize again"))
        elif "method" in message and "id" in message:
            primed = headers.get(VERSION_HEADER, b"").strip() == _PRIMED
            await self._request(session, message, receive, send, primed)
        else:
            await _tell(session, message)
            await send_empty(send, 202, session.headers)

    async def _initialize(self, scope: Scope, headers: Headers, message: JsonObject, receive: Receive, send: Send) -> None:
        try:
            session = await self.channels.begin_session(self._opening(scope, headers, message, stateless=False), message)
        except FireflyError as trouble:
            await send_json(send, 200, error(message["id"], INTERNAL_ERROR, str(trouble)), [])
            return
        exchange = Exchange(receive, send, session.headers)
        answer = await _answer(session.channel, message, exchange, owner=session.id)
        if "error" in answer:
            await self.channels.end_session(session)
        await _finish(exchange, answer)

    async def _request(self, session: Session, message: JsonObject, receive: Receive, send: Send, primed: bool) -> None:
        channel = session.channel
        name = session_named_in(message)
        if name is not None and name != channel.name:
            try:
                channel = await self.channels.channel_named(session, name)
            except FireflyError as trouble:
                await send_json(send, 200, error(message["id"], INTERNAL_ERROR, str(trouble)), session.headers)
                return
        exchange = Exchange(receive, send, session.headers, journals=channel.journals, prime=primed)
        answer = await _answer(channel, message, exchange, owner=session.id)
        await _finish(exchange, answer)

    async def _session_method(self, method: str, headers: Headers, receive: Receive, send: Send) -> None:
        session_id = headers.get(b"mcp-session-id")
        session = None if session_id is None else self.channels.sessions.get(session_id.decode("latin-1"))
        if method == "GET" and not accepts(headers)[1]:
            await _refuse(send, Refusal(406, "Not acceptable: accept text/event-stream"))
        elif session_id is None:
            await _refuse(send, Refusal(400, "Bad request: the Mcp-Session-Id header is missing"))
        elif session is None:
            await _refuse(send, Refusal(404, "Session not found; initialize again"))
        elif method == "GET":
            await _serve_stream(session, headers.get(b"last-event-id"), receive, send)
        else:
            await self.channels.end_session(session)
            await send_empty(send, 200, [])

    async def _stateless(self, scope: Scope, headers: Headers, message: JsonObject, receive: Receive, send: Send) -> None:
        if "id" not in message:  # this era knows no client notifications: taken and dropped, unless the version is unknown
            version = headers[VERSION_HEADER].decode("latin-1").strip()
            if version in STATELESS_VERSIONS:
                await send_empty(send, 202, [])
            else:
                await send_json(send, 400, unsupported(None, version), [])
            return
        twice = duplicated_header(scope["headers"]) if len(headers) != len(scope["headers"]) else None
        if twice is not None:
            rejected: JsonObject | None = error(message["id"], HEADER_MISMATCH, f"{twice} header appears more than once")
        else:
            rejected = rejection(message, headers)
        if rejected is not None:
            await send_json(send, 400, rejected, [])
            return
        opening = self._opening(scope, headers, message, stateless=True)
        mirrored = {name: value for name, value in opening.headers.items() if name.startswith(PREFIX)}
        if mirrored:
            PARAM_HEADERS.set(mirrored)
        try:
            named = opening.session_id is not None
            channel = await (self.channels.open_named(opening) if named else self.channels.open(opening))
        except FireflyError as trouble:
            await send_json(send, 200, error(message["id"], INTERNAL_ERROR, str(trouble)), [])
            return
        task = asyncio.current_task()
        assert task is not None
        exchange = Exchange(receive, send, [], on_departure=_canceller(task, lambda: exchange))
        try:
            answer = await _answer(channel, message, exchange)
            await _finish(exchange, answer, status_of(answer))
        except asyncio.CancelledError:
            if not exchange.cancelled:
                raise
        finally:
            if not named:
                await channel.close()

    def _opening(self, scope: Scope, headers: Headers, message: JsonObject, *, stateless: bool) -> Opening:
        raw_query = scope["query_string"]
        query = dict(reversed(parse_qsl(raw_query.decode("latin-1")))) if raw_query else {}
        name = session_named_in(message) or query.get("session") or None
        passed = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers.items()}
        if self._access.takes_authorization:
            passed.pop("authorization", None)
        return Opening("http", stateless, query, passed, name)


def _canceller(task: asyncio.Task[Any], exchange: Callable[[], Exchange]) -> Callable[[], None]:
    """In the stateless era, closing the connection is how a client cancels."""

    def cancel() -> None:
        exchange().cancelled = True
        task.cancel()

    return cancel


async def _answer(channel: Channel, message: JsonObject, exchange: Exchange, *, owner: str | None = None) -> JsonObject:
    """The conversation's answer to a request, under the client's own id."""
    exchange.owner = owner
    seen = channel.enter(message, exchange)
    try:
        answer = await channel.conversation.request(seen)
    except Exception as trouble:
        _log.exception("a conversation failed on %s", message.get("method"))
        answer = error(message["id"], INTERNAL_ERROR, f"internal error: {type(trouble).__name__}: {trouble}")
    finally:
        channel.leave(seen["id"])
        exchange.leave()
    if exchange.cancelled:
        answer = error(message["id"], REQUEST_CANCELLED, "Request cancelled")
    if seen is not message:
        answer["id"] = message["id"]
        return with_subscription(answer, message["id"])
    return answer


async def _finish(exchange: Exchange, answer: JsonObject, status: int = 200) -> None:
    """Send the answer; an error that an upstream told in HTTP's own terms keeps them."""
    extra: HeaderList | None = None
    if isinstance(answer, HttpError):
        status = answer.status
        extra = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    await exchange.finish(answer, status, extra)


async def _serve_stream(session: Session, last_event: bytes | None, receive: Receive, send: Send) -> None:
    """Serve a GET stream: a new one, or the rest of one that the client has lost."""
    event_id = (last_event or b"").decode("latin-1").strip()
    for channel in session.channels():
        if (found := channel.journals.find(event_id)) is not None:
            journal, number = found
            stream = EventStream(receive, send, session.headers, journal, number)
            await (channel.serve_stream(stream) if journal is channel.backlog else channel.resume(journal, stream))
            return
    channel = session.channel
    await channel.serve_stream(EventStream(receive, send, session.headers, channel.backlog))


async def _tell(session: Session, message: JsonObject) -> None:
    """Pass a notification, or a response to a request of ours, to the conversation that it is for."""
    channel = session.channel
    if "method" not in message:
        for other in session.channels():
            if message["id"] in other.asked:
                other.asked.discard(message["id"])
                channel = other
                break
    elif message["method"] == "notifications/cancelled":
        wanted = message.get("params", {}).get("requestId")
        for other in session.channels():
            for key, exchange in other.exchanges.items():
                if exchange.original_id == wanted and exchange.owner == session.id:
                    exchange.cancelled = True
                    message = {**message, "params": {**message["params"], "requestId": key}}
                    channel = other
    try:
        await channel.conversation.notify(message)
    except Exception:
        _log.exception("a conversation failed on %s", message.get("method", "a response"))


async def _refuse(send: Send, refusal: Refusal) -> None:
    await send_json(send, refusal.status, error(None, refusal.code, refusal.message), list(refusal.headers))
