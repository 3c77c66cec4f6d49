"""Whole sessions of ``firefly serve``: connect, read the task, list its tools, follow its plan, submit the answer, leave.

    python -m benchmarks.task_server            # two minutes; --quick, --sessions, --store F --tasks FILE

The tasks are those of the shipped sample unless others are given.

Subjects run at 1, 8 and 64 at a time, each on the next task: those of a raw client, so light that the server is what is
measured, and at 64 those of the SDK's own client, which is what a real subject pays. Every session must earn its reward; one
that meets an error, or another's state, is counted as lost, and then the exit code is 1. CPU is that of the server's process.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from httpx2 import AsyncClient

from benchmarks.processes import Measured, free_port
from benchmarks.relay import RESULTS, machine
from benchmarks.wire import RefusedError, Session
from firefly_mcp.data import unpack_sample
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import Task, read_tasks
from firefly_mcp.tasks.selection import select
from firefly_proxies.plans import execute_plan, label_of, plain_http, session_client

Subject = Callable[[str, Task], Awaitable[int]]
"""Does a task at a URL; gives its tool calls. Raises what went wrong."""


async def raw(url: str, task: Task) -> int:
    """The raw client's session."""
    session = Session(url)
    await session.open()
    try:
        await session.request("prompts/get", {"name": "task"})
        await session.request("tools/list", {})
        results: dict[str, Any] = {}
        for node in task.plan:
            values = [(binding, select(results[binding.source], binding.select)) for binding in node.bindings]
            results[node.id] = await session.call(node.exposed_name, bind(node.arguments, values))
        submitted = await session.call("submit_answer", {"answer": label_of(task, results)})
        _earned(submitted["structuredContent"])
    finally:
        await session.end()
    return len(task.plan) + 1


def of_the_sdk(http: AsyncClient) -> Subject:
    """The SDK client's session."""

    async def subject(url: str, task: Task) -> int:
        async with session_client(url, http) as client:
            await client.get_prompt("task")
            await client.list_tools()
            answer = label_of(task, await execute_plan(task, client))
            _earned((await client.call_tool("submit_answer", {"answer": answer})).structured_content)
        return len(task.plan) + 1

    return subject


def _earned(submitted: Any) -> None:
    if submitted != {"accepted": True, "reward": 1.0}:
        raise RefusedError(f"submission: {submitted}")


async def level(
    server: Measured, tasks: list[Task], subject: Subject, name: str, at_once: int, sessions: int
) -> dict[str, Any]:
    """So many sessions, so many at a time; the figures."""
    turns = itertools.cycle(tasks)
    numbers = iter(range(sessions))
    seconds: list[float] = []
    lost: list[str] = []
    calls = 0

    async def one_after_the_other() -> None:
        nonlocal calls
        for _ in numbers:
            task = next(turns)
            begun = time.monotonic()
            try:
                made = await subject(f"http://127.0.0.1:{server.port}/tasks/{task.id}/mcp", task)
                calls += made
            except Exception as trouble:  # whatever a client meets
                lost.append(f"{task.id}: {type(trouble).__name__}: {trouble}")
            seconds.append(time.monotonic() - begun)

    begun, cpu = time.monotonic(), server.cpu_seconds()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    took, spent = time.monotonic() - begun, server.cpu_seconds() - cpu
    ordered = sorted(seconds)
    return {
        "client": name,
        "subjects": at_once,
        "sessions": sessions,
        "lost": len(lost),
        "first_lost": lost[:1],
        "sessions_per_second": round(sessions / took, 2),
        "calls_per_second": round(calls / took, 1),
        "cpu_ms_a_session": round(1000 * spent / sessions, 1),
        "session_ms_p50": round(1000 * statistics.median(ordered), 1),
        "session_ms_p99": round(1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 1),
        "rss_mib": round(server.rss_mib(), 1),
    }


async def measure(server: Measured, tasks: list[Task], sessions: int) -> list[dict[str, Any]]:
    """All levels, after a first round that nobody counts."""
    await level(server, tasks, raw, "raw", 4, min(len(tasks), sessions, 32))
    rows = [await level(server, tasks, raw, "raw", at_once, max(at_once, sessions)) for at_once in (1, 8, 64)]
    async with plain_http() as http:
        rows.append(await level(server, tasks, of_the_sdk(http), "SDK", 64, max(64, sessions // 4)))
    return rows


def main() -> int:
    """Measure, print the table and write the figures; 1 if a session was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="the recording; the shipped sample's without it")
    parser.add_argument("--tasks", type=Path, help="its tasks")
    parser.add_argument("--sessions", type=int, help="of each level (512)")
    parser.add_argument("--quick", action="store_true", help="64 sessions a level, nothing written")
    options = parser.parse_args()
    sessions = options.sessions or (64 if options.quick else 512)
    if (options.store is None) != (options.tasks is None):
        parser.error("--store and --tasks belong together")
    with (
        tempfile.TemporaryDirectory(prefix="firefly-tasks-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        file, store = options.tasks, options.store
        if store is None:
            file, store, _ = unpack_sample(Path(name, "sample"))
        tasks = read_tasks(file)
        port = free_port()
        argv = [sys.executable, "-m", "firefly_mcp", "serve", "--store", str(store), "--tasks", str(file)]
        argv += ["--http", str(port), "--results", f"{name}/results.jsonl"]
        server = Measured(argv, port, Path(name, "serve.log"), patience=300)
        try:
            rows = runner.run(measure(server, tasks, sessions))
        finally:
            server.stop()
    where = {**machine(), "command": "python -m benchmarks.task_server " + " ".join(sys.argv[1:])}
    print(f"{len(tasks)} tasks; {where}")
    shown = [key for key in rows[0] if key != "first_lost"]
    print("| " + " | ".join(shown).replace("_", " ") + " |")
    print("|" + " --- |" * len(shown))
    for row in rows:
        print("| " + " | ".join(str(row[key]) for key in shown) + " |")
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "task_server.json").write_text(
            json.dumps({"machine": where, "tasks": len(tasks), "rows": rows}, indent=1) + "\n"
        )
    lost = [row["first_lost"][0] for row in rows if row["first_lost"]]
    for told in lost:
        print(f"LOST {told}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
