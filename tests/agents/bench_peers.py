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

from firefly_agents.synthesizer import synthesize
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
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
    """Write ``firefly.db`` and ``tasks.jsonl`` and give the tasks."""
    origins = {name: f"proven({name})" for name in SPECS}
    with Recording(folder / "firefly.db", create=True) as recording:
        for kind in ("explore", "confirm"):
            factory = RecordFactory(recording, SPECS, redactor=Redactor(), kind=kind, origins=origins)
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                await walk(client)
        tasks = (await synthesize(recording)).ledger.admitted
    write_tasks(folder / "tasks.jsonl", tasks)
    return tasks


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
