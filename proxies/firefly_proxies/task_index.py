"""The index of a task server: JSON over HTTP that lists tasks and opens sessions. It tells nothing of plans and answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastmcp import FastMCP
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.tasks.model import Task
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_sessions import TaskSessions


def no_task(task_id: str) -> str:
    """What is said of a task that is not served."""
    return f"There is no task {task_id!r} here; GET /tasks lists those that there are"


def add_index(server: FastMCP[Any], sessions: TaskSessions, *, blind: bool) -> None:
    """Add the index to the routes of a task server."""
    desk = sessions.desk

    @server.custom_route("/", methods=["GET"])
    async def about(request: Request) -> Response:
        limits = desk.manifest["budget"]
        return JSONResponse({"server": "firefly serve", "tasks": len(desk.tasks), "blind": blind, "limits": limits})

    @server.custom_route("/tasks", methods=["GET"])
    async def tasks(request: Request) -> Response:
        wanted = dict(request.query_params)
        found = [_entry(task, request) for task in desk.tasks.values()]
        return JSONResponse([entry for entry in found if _wanted(entry, wanted)])

    @server.custom_route("/tasks/{task:path}", methods=["GET"])
    async def one(request: Request) -> Response:
        task = desk.tasks.get(request.path_params["task"])
        if task is None:
            return _refused(404, no_task(request.path_params["task"]))
        return JSONResponse({**_entry(task, request), "request": task.request, "answer_schema": task.answer_schema})

    @server.custom_route("/sessions", methods=["POST"])
    async def opened(request: Request) -> Response:
        try:
            task = _asked_for(await request.body(), desk)
        except TaskError as trouble:
            return _refused(404, str(trouble))
        except ValueError as trouble:
            return _refused(400, str(trouble))
        try:
            name = sessions.name(task)
        except UsageError as trouble:
            return _refused(503, str(trouble))
        url = f"{_url(task, request)}?session={name}"
        return JSONResponse({"session": name, "task": task.id, "url": url, "limits": desk.manifest["budget"]}, 201)


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
        raise TaskError(no_task(asked["task"]))
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
    return f"{request.url.scheme}://{request.url.netloc}/tasks/{quote(task.id)}/mcp"


def _refused(status: int, message: str) -> Response:
    """A refusal of the index."""
    return JSONResponse({"error": message}, status)
