"""Solve every task of a file in this process, without a server: the simulator and the reward as Python objects."""

import asyncio
import sys
from pathlib import Path

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import read_tasks
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_session import TaskSession


async def attempt(session: TaskSession) -> float:
    """Call each tool without arguments, then give up; put your policy here."""
    print(session.briefing)
    for tool in session.tools[:-1]:
        result = await session.call(str(tool["name"]), {})
        print(tool["name"], "error" if result.get("isError") else "answered")
    await session.submit(None)  # does not fit the schema: refused, and the session goes on
    await session.close()
    return session.reward


async def main(store: str, tasks_file: str) -> list[float]:
    """The reward of each task."""
    with Recording.for_replay(store) as recording:
        desk = TaskDesk(ReplayFactory(recording, log=False), read_tasks(Path(tasks_file)))
        rewards = await asyncio.gather(*[attempt(await desk.open(task_id)) for task_id in desk.tasks])
        await desk.close()
    return rewards


if __name__ == "__main__":
    # python attempt.py out/firefly.db out/tasks.jsonl
    print(asyncio.run(main(*sys.argv[1:])))
