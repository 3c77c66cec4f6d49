"""The task server over HTTP: who is let in, and which session a request belongs to.

A connection of the handshake era is a session of its own, and so is each new one: whoever connects again begins again. The
index opens sessions under names, ``/tasks/ID/mcp?session=NAME``; to connect to a name again resets it. Clients of the stateless
era, which have no connection, need such a name; without one they are told to shake hands, as all that speak both eras then do.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from urllib.parse import parse_qs

from fastmcp.server.dependencies import get_http_request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firefly_mcp.errors import FireflyError, UsageError
from firefly_mcp.jsonio import loads
from firefly_proxies.http_checks import Access
from firefly_proxies.messages import HANDSHAKE_VERSIONS, INVALID_REQUEST, UNSUPPORTED_VERSION, error
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_index import add_index, no_task
from firefly_proxies.task_server import task_server
from firefly_proxies.task_session import TaskSession
from firefly_proxies.task_sessions import TaskSessions

_ENDPOINT = re.compile(r"/tasks/(.+)/mcp/?")
_SESSION = "firefly.task_session"


class _Bound:
    """ASGI middleware: refuses whom it must, and hands each MCP request on with its session."""

    def __init__(self, app: ASGIApp, sessions: TaskSessions, access: Access) -> None:
        self._app = app
        self._sessions = sessions
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refusal = self._access.refusal(headers)
        if refusal is not None:
            await _said(refusal.status, refusal.message, refusal.headers)(scope, receive, send)
            return
        place = _ENDPOINT.fullmatch(scope["path"])
        if place is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._serve(place[1], scope, headers, receive, send)
        except FireflyError as trouble:
            await _said(503 if isinstance(trouble, UsageError) else 400, str(trouble))(scope, receive, send)

    async def _serve(self, task_id: str, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        sessions = self._sessions
        if task_id not in sessions.desk.tasks:
            await _said(404, no_task(task_id))(scope, receive, send)
            return
        name = next(iter(parse_qs(scope["query_string"].decode("latin-1")).get("session", [])), None)
        if name is not None and not sessions.knows(name, task_id):
            said = f"There is no session {name!r} for task {task_id}; POST /sessions opens one"
            await _said(404, said)(scope, receive, send)
            return
        version = headers.get(b"mcp-protocol-version", b"").decode("latin-1").strip()
        connection = headers.get(b"mcp-session-id", b"").decode("latin-1")
        if version and version not in HANDSHAKE_VERSIONS:
            if name is None:
                await _shake_hands(version, scope, receive, send)
                return
            scope[_SESSION] = await sessions.named(name)
            await self._app(scope, receive, send)
        elif connection:
            session = sessions.bound(connection, name, task_id)
            if session is None:
                await _said(404, "Session not found; initialize again")(scope, receive, send)
                return
            scope[_SESSION] = session
            if scope["method"] == "DELETE":
                await sessions.leave(connection)
            await self._app(scope, receive, send)
        elif scope["method"] == "POST":
            await self._connect(task_id, name, scope, receive, send)
        else:
            await self._app(scope, receive, send)  # fastmcp says what is missing

    async def _connect(self, task_id: str, name: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """The request that shakes hands: begin an attempt if fastmcp takes it."""
        session: TaskSession | None = None

        async def watch(message: Message) -> None:
            nonlocal session
            if message["type"] == "http.response.start" and message["status"] == 200:
                given = dict(message["headers"]).get(b"mcp-session-id")
                if given is not None:
                    session = await self._sessions.connect(task_id, name)
                    self._sessions.bind(given.decode("latin-1"), name, session)
            await send(message)

        await self._app(scope, receive, watch)


def task_app(desk: TaskDesk, *, blind: bool = False, access: Access | None = None) -> tuple[Starlette, TaskSessions]:
    """The ASGI application for subjects, which needs its lifespan; and its sessions, for the control endpoint.

    Args:
        desk: hands out the tasks.
        blind: submissions are only acknowledged.
        access: which hosts, origins and tokens are let in; loopback names without a token by default.
    """
    sessions = TaskSessions(desk)

    async def current() -> TaskSession:
        session: TaskSession = get_http_request().scope[_SESSION]
        return session

    server = task_server(current, blind=blind)
    add_index(server, sessions, blind=blind)
    app = server.http_app(
        path="/tasks/{task:path}/mcp",
        json_response=True,
        stateless_http=False,
        middleware=[Middleware(_Bound, sessions=sessions, access=access or Access())],
        host_origin_protection=False,  # Access has the same rules for every endpoint of ours
        session_idle_timeout=desk.limits.seconds + 60,
    )
    return app, sessions


def _said(status: int, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    """A refusal in HTTP's terms, with a JSON-RPC error for MCP clients to show."""
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    return JSONResponse(error(None, INVALID_REQUEST, message), status, told)


async def _shake_hands(version: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell a client of the stateless era which versions there are without a session's name."""
    asked_as = None
    with contextlib.suppress(ValueError, AttributeError):
        asked_as = loads(await Request(scope, receive).body()).get("id")
    data = {"supported": list(HANDSHAKE_VERSIONS), "requested": version}
    said = "Unsupported protocol version: initialize, or name a session that POST /sessions has opened"
    await JSONResponse(error(asked_as, UNSUPPORTED_VERSION, said, data), 400)(scope, receive, send)
