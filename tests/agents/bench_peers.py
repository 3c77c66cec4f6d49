"""A small recording with proven tasks, and an endpoint that speaks chat completions, for the tests of benchmarks."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from mcp import Client

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import Replay
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import observe
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.selection import select
from firefly_mcp.tasks.slots import written
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

SERVERS = Path(__file__).parents[1] / "servers"
SPECS = {name: ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),)) for name in ("calc", "notes")}
Reply = Callable[[dict[str, Any]], web.Response]


async def walk(client: Client) -> None:
    """A chain over two tools, and a write that is read back."""

    async def call(tool: str, **arguments: Any) -> Any:
        return (await client.call_tool(tool, arguments)).structured_content

    total = await call("calc_add", a=1234.5, b=77.25)
    share = await call("calc_divide", a=total["value"], b=3.5)
    await call("calc_divide", a=share["value"], b=1.5)
    note = await call("notes_add_note", title="winter rye", text="feed at noon")
    await call("notes_get_note", note_id=note["id"])


async def recorded(folder: Path) -> list[Task]:
    """Write ``firefly.db`` and ``tasks.jsonl`` and give the tasks: a chain over two tools, a longer one, and a note."""
    origins = {name: f"proven({name})" for name in SPECS}
    with Recording(folder / "firefly.db", create=True) as recording:
        for kind in ("explore", "confirm"):
            factory = RecordFactory(recording, SPECS, redactor=Redactor(), kind=kind, origins=origins)
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                await walk(client)
        total = _node("n1", "calc", "add", {"a": 1234.5, "b": 77.25})
        share = _node("n2", "calc", "divide", {"a": None, "b": 3.5}, a=("n1", "$.value"))
        part = _node("n3", "calc", "divide", {"a": None, "b": 1.5}, a=("n2", "$.value"))
        note = _node("n1", "notes", "add_note", {"title": "winter rye", "text": "feed at noon"})
        read = _node("n2", "notes", "get_note", {"note_id": None}, note_id=("n1", "$.id"))
        replay = strict_replay(recording)
        plans = [[total, share], [total, share, part], [note, read]]
        fields = [{"share": "$.value"}, {"share": "$.value"}, {"title": "$.title"}]
        tasks = [_task(place, plan, field, replay) for place, (plan, field) in enumerate(zip(plans, fields, strict=True))]
    write_tasks(folder / "tasks.jsonl", tasks)
    return tasks


def _node(name: str, server: str, tool: str, arguments: JsonObject, **bound: tuple[str, str]) -> JsonObject:
    bindings = [
        {"argument": f"/{argument}", "from": source, "select": {"path": path, "only": True}}
        for argument, (source, path) in bound.items()
    ]
    exposed = f"{server}_{tool}"
    return {
        "id": name,
        "server": server,
        "tool": tool,
        "exposed_name": exposed,
        "arguments": arguments,
        "bindings": bindings,
    }


def _stated(arguments: JsonObject) -> str:
    return " and ".join(f"{name} {written(value)}" for name, value in arguments.items() if value is not None) or "that"


def _task(place: int, plan: list[JsonObject], fields: dict[str, str], replay: Replay) -> Task:
    """A task over a plan whose last node gives the answer; the answer is what the recording says."""
    last = plan[-1]["id"]
    evidence = {name: {"node": last, "select": {"path": path, "only": True}} for name, path in fields.items()}
    asked = [f"{node['tool'].replace('_', ' ')} with {_stated(node['arguments'])}" for node in plan]
    task = Task.model_validate(
        {
            "id": f"t-{place}",
            "request": f"First {'. Then '.join(asked)}.",
            "answer": {},
            "answer_schema": {},
            "plan": plan,
            "evidence": evidence,
            "tools": [f"{key.server}_{key.tool}" for key in replay.index.tools],
            "difficulty": "easy" if len(plan) < 3 else "medium",
            "servers": [plan[0]["server"]],
            "split": "test" if place else "train",
            "now": "2026-11-26",
            "recording": {"id": replay.recording.id, "digest": ""},
        }
    )
    seen = observe(task, replay)
    answer = {name: select(seen.result(proof.node), proof.select) for name, proof in task.evidence.items()}
    kinds = {name: {"type": "string" if isinstance(value, str) else "number"} for name, value in answer.items()}
    schema = {"type": "object", "properties": kinds, "required": list(kinds), "additionalProperties": False}
    source = task.recording.model_copy(update={"digest": seen.digest()})
    return task.model_copy(update={"answer": answer, "answer_schema": schema, "recording": source})


@asynccontextmanager
async def endpoint(reply: Reply) -> AsyncIterator[str]:
    """An endpoint on loopback; yields its base URL."""

    async def answer(request: web.Request) -> web.Response:
        return reply(await request.json())

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def said(text: str) -> web.Response:
    """A turn that is a message."""
    return _completion({"content": text})


def calls(name: str, arguments: Any, call_id: str = "call_1") -> web.Response:
    """A turn that is a tool call; ``arguments`` may be text that is not JSON."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": written}}
    return _completion({"content": None, "tool_calls": [call]})


def results(body: dict[str, Any]) -> list[str]:
    """What the tools of a conversation have answered so far."""
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def _completion(message: dict[str, Any]) -> web.Response:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return web.json_response(body)
