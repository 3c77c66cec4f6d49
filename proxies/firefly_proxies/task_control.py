"""The control endpoint of a task server: results, reset, seed. It has a port and a token of its own; subjects never see it.

``GET /results``, ``GET /sessions``, ``GET /manifest``, ``POST /reset`` with ``{"session": KEY}`` or nothing, ``POST /seed``
with ``{"seed": N}``; each with ``Authorization: Bearer TOKEN``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from firefly_mcp.jsonio import JsonObject, loads
from firefly_proxies.http_checks import Access
from firefly_proxies.task_results import summary
from firefly_proxies.task_sessions import TaskSessions

_Endpoint = Callable[[Request], Awaitable[Response]]


class _Guarded:
    """ASGI middleware: nothing without the token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._access.refusal(dict(scope["headers"])) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in refusal.headers}
        await JSONResponse({"error": refusal.message}, refusal.status, told)(scope, receive, send)


def control_app(sessions: TaskSessions, token: str, *, bound_to: str = "127.0.0.1") -> Starlette:
    """The ASGI application that controls ``sessions``.

    Args:
        sessions: of the task server.
        token: the bearer token that every request must carry.
        bound_to: the address that it will listen on.
    """
    desk = sessions.desk

    async def results(request: Request) -> Response:
        wanted = request.query_params
        found = [
            result
            for result in desk.results
            if wanted.get("task", result["task"]) == result["task"]
            and wanted.get("session", result["session"]) == result["session"]
        ]
        shown = [{key: value for key, value in result.items() if key != "manifest"} for result in found]
        return JSONResponse({"manifest": desk.manifest, "summary": summary(found), "results": shown})

    async def going_on(request: Request) -> Response:
        return JSONResponse(
            [
                {"session": s.key, "task": s.task.id, "calls": s.calls, "client": s.client, "started_at": s.started_at}
                for s in desk.sessions.values()
            ]
        )

    async def manifest(request: Request) -> Response:
        return JSONResponse(desk.manifest)

    async def reset(request: Request) -> Response:
        asked = await _body(request)
        key = None if asked is None else asked.get("session")
        if asked is None or not (key is None or isinstance(key, str)):
            return _refused('POST /reset takes {"session": KEY}, or nothing for all sessions')
        return JSONResponse({"reset": await sessions.reset(key)})

    async def seed(request: Request) -> Response:
        asked = await _body(request)
        number: Any = None if asked is None else asked.get("seed")
        if not isinstance(number, int) or isinstance(number, bool):
            return _refused('POST /seed takes {"seed": N}, a whole number')
        ended = await sessions.reset()
        desk.reseed(number)
        return JSONResponse({"seed": number, "reset": ended})

    endpoints: list[tuple[str, str, _Endpoint]] = [
        ("/results", "GET", results),
        ("/sessions", "GET", going_on),
        ("/manifest", "GET", manifest),
        ("/reset", "POST", reset),
        ("/seed", "POST", seed),
    ]
    access = Access(bound_to=bound_to, token=token)
    return Starlette(
        routes=[Route(path, endpoint, methods=[method]) for path, method, endpoint in endpoints],
        middleware=[Middleware(_Guarded, access=access)],
    )


async def _body(request: Request) -> JsonObject | None:
    """The JSON object of a request, empty if it has no body; None if it is something else."""
    body = await request.body()
    try:
        asked = loads(body) if body.strip() else {}
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None


def _refused(why: str) -> Response:
    return JSONResponse({"error": why}, 400)
