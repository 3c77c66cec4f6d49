"""The task server over HTTP: which session a request belongs to, and the index that lists tasks and opens sessions.

A connection of the handshake era is a session of its own, and so is each new one: whoever connects again begins again. The
index opens sessions under names, ``/tasks/ID/mcp?session=NAME``; to connect to a name again resets it. Clients of the stateless
era, which have no connection, need such a name; without one they are told to shake hands, as all that speak both eras then do.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from fastmcp.server.dependencies import get_http_request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firefly_mcp.errors import FireflyError, TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.tasks.model import Task
from firefly_proxies.http_checks import Access
from firefly_proxies.messages import HANDSHAKE_VERSIONS, INVALID_REQUEST, UNSUPPORTED_VERSION, error
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_server import task_server
from firefly_proxies.task_session import TaskSession

_ENDPOINT = re.compile(r"/tasks/([^/]+)/mcp/?")
_SESSION = "firefly.task_session"
_KEPT_SECONDS = 1800.0
"""How long a session that has ended still says so to its client."""


@dataclass
class _Name:
    """A session that the index has opened for a task; its attempts come one after the other."""

    task: str
    session: TaskSession | None = None
    touched: float = field(default_factory=time.monotonic)


class TaskSessions:
    """The sessions of a task server, by their connection or by their name."""

    def __init__(self, desk: TaskDesk) -> None:
        """Open sessions at ``desk``."""
        self.desk = desk
        self._connections: dict[str, tuple[str | None, TaskSession]] = {}
        self._names: dict[str, _Name] = {}

    def name(self, task: Task) -> str:
        """A new name under which a task can be attempted."""
        self._sweep()
        name = uuid.uuid4().hex
        self._names[name] = _Name(task.id)
        return name

    def knows(self, name: str, task_id: str) -> bool:
        """Whether the index has opened a session of that name for that task."""
        return name in self._names and self._names[name].task == task_id

    async def connect(self, task_id: str, name: str | None) -> TaskSession:
        """Begin an attempt for a client that connects; what was under the name before is reset."""
        self._sweep()
        if name is not None and (before := self._names[name].session) is not None:
            await before.close("reset")
        session = await self.desk.open(task_id)
        if name is not None:
            self._names[name].session = session
        return session

    async def named(self, name: str) -> TaskSession:
        """The attempt that goes on under a name, begun if there is none."""
        known = self._names[name]
        known.touched = time.monotonic()
        if known.session is None:
            known.session = await self.desk.open(known.task)
        return known.session

    def bind(self, connection: str, name: str | None, session: TaskSession) -> None:
        """Note that an ``Mcp-Session-Id`` stands for a session."""
        self._connections[connection] = (name, session)

    def bound(self, connection: str, name: str | None, task_id: str) -> TaskSession | None:
        """The session of an ``Mcp-Session-Id``, if it was begun at this address."""
        found = self._connections.get(connection)
        return found[1] if found is not None and found[0] == name and found[1].task.id == task_id else None

    async def leave(self, connection: str) -> None:
        """A client has said that it is gone."""
        found = self._connections.pop(connection, None)
        if found is not None:
            await found[1].close()

    async def reset(self, key: str | None = None) -> int:
        """End the session of a key or name, or all; gives how many went on. The next request under a name begins anew."""
        chosen = [
            session
            for session in list(self.desk.sessions.values())
            if key is None or session.key == key or ((named := self._names.get(key)) is not None and named.session is session)
        ]
        for session in chosen:
            await session.close("reset")
        for name, known in self._names.items():
            if key in (None, name) or (known.session is not None and known.session.key == key):
                known.session = None
        return len(chosen)

    def _sweep(self) -> None:
        """Forget what ended long ago."""
        before = time.time() - _KEPT_SECONDS
        for connection, (_, session) in list(self._connections.items()):
            if session.ended_at is not None and session.ended_at < before:
                del self._connections[connection]
        untouched = time.monotonic() - _KEPT_SECONDS - self.desk.limits.seconds
        for name, known in list(self._names.items()):
            idle = known.session is None or known.session.ended is not None
            if idle and known.touched < untouched:
                del self._names[name]


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
            await _said(404, _no_task(task_id))(scope, receive, send)
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
    _add_index(server, sessions, blind)
    app = server.http_app(
        path="/tasks/{task}/mcp",
        json_response=True,
        stateless_http=False,
        middleware=[Middleware(_Bound, sessions=sessions, access=access or Access())],
        host_origin_protection=False,  # Access has the same rules for every endpoint of ours
        session_idle_timeout=desk.limits.seconds + 60,
    )
    return app, sessions


def _add_index(server: Any, sessions: TaskSessions, blind: bool) -> None:
    desk = sessions.desk

    @server.custom_route("/", methods=["GET"])  # type: ignore[untyped-decorator]
    async def about(request: Request) -> Response:
        limits = desk.manifest["limits"]
        return JSONResponse({"server": "firefly serve", "tasks": len(desk.tasks), "blind": blind, "limits": limits})

    @server.custom_route("/tasks", methods=["GET"])  # type: ignore[untyped-decorator]
    async def tasks(request: Request) -> Response:
        wanted = dict(request.query_params)
        found = [_entry(task, request) for task in desk.tasks.values()]
        return JSONResponse([entry for entry in found if _wanted(entry, wanted)])

    @server.custom_route("/tasks/{task}", methods=["GET"])  # type: ignore[untyped-decorator]
    async def one(request: Request) -> Response:
        task = desk.tasks.get(request.path_params["task"])
        if task is None:
            return _refused(404, _no_task(request.path_params["task"]))
        return JSONResponse({**_entry(task, request), "request": task.request, "answer_schema": task.answer_schema})

    @server.custom_route("/sessions", methods=["POST"])  # type: ignore[untyped-decorator]
    async def opened(request: Request) -> Response:
        try:
            task = _asked_for(await request.body(), desk)
        except TaskError as trouble:
            return _refused(404, str(trouble))
        except ValueError as trouble:
            return _refused(400, str(trouble))
        name = sessions.name(task)
        url = f"{_url(task, request)}?session={name}"
        return JSONResponse({"session": name, "task": task.id, "url": url, "limits": desk.manifest["limits"]}, 201)


def _asked_for(body: bytes, desk: TaskDesk) -> Task:
    """The task that a request to open a session names, or the next one."""
    try:
        asked = loads(body) if body.strip() else {}
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("task", ""), str):
        raise ValueError('POST /sessions takes {"task": ID}, or nothing for the next task')
    if "task" not in asked:
        return desk.next_task()
    task = desk.tasks.get(asked["task"])
    if task is None:
        raise TaskError(_no_task(asked["task"]))
    return task


def _entry(task: Task, request: Request) -> JsonObject:
    """What the index tells of a task: nothing of its plan or its answer."""
    return {
        "id": task.id,
        "url": _url(task, request),
        "difficulty": task.difficulty,
        "kind": getattr(task, "kind", None),
        "split": task.split,
        "servers": task.servers,
        "tools": len(task.tools),
    }


def _wanted(entry: JsonObject, wanted: dict[str, str]) -> bool:
    for key, value in wanted.items():
        if key in ("difficulty", "kind", "split") and entry[key] != value:
            return False
        if key == "server" and value not in entry["servers"]:
            return False
    return True


def _url(task: Task, request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/tasks/{task.id}/mcp"


def _no_task(task_id: str) -> str:
    return f"There is no task {task_id!r} here; GET /tasks lists those that there are"


def _refused(status: int, message: str) -> Response:
    """A refusal of the index."""
    return JSONResponse({"error": message}, status)


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


@asynccontextmanager
async def running_app(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application, its lifespan too, for as long as the block lasts; yields its URL without a path.

    Raises:
        UsageError: the port is in use or the address is not ours.
    """
    import uvicorn

    from firefly_proxies.serve import DRAIN_SECONDS, listen

    sock = listen(host, port)
    bound_host, bound_port = sock.getsockname()[:2]
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    name = f"[{bound_host}]" if ":" in bound_host else bound_host
    try:
        yield f"http://{name}:{bound_port}"
    finally:
        for listening in server.servers:
            listening.close()
        await server.shutdown()
        sock.close()
