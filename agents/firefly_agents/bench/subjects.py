"""Subjects of a benchmark: what tries to solve a task through the proxy's URL."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from mcp import Client

from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.reward import answer_in
from firefly_mcp.tasks.model import Task
from firefly_proxies.plans import PlanFailedError, execute_plan, label_of


class Subject(Protocol):
    """Something that can be benchmarked."""

    name: str

    async def solve(self, task: Task, url: str, attempt: int) -> JSON:
        """The answer to a task, or None; the tools are at ``url``."""


class Oracle:
    """Executes the task's own plan: what is reachable at all through replay. Anything below 100% is our fault."""

    name = "oracle"

    async def solve(self, task: Task, url: str, attempt: int) -> JSON:
        """Follow the plan and read the answer where the evidence says."""
        async with Client(url, mode="legacy") as client:
            try:
                return label_of(task, await execute_plan(task, client))
            except PlanFailedError:
                return None


class Shortcut:
    """Answers without tools: each field with its most frequent value in the other tasks. What guessing is worth."""

    name = "shortcut"

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Count the answers."""
        self._values: dict[str, Counter[str]] = defaultdict(Counter)
        for task in tasks:
            for name, value in task.answer.items():
                self._values[name][text(value)] += 1

    async def solve(self, task: Task, url: str, attempt: int) -> JSON:
        """The most frequent values, the task's own answer not counted."""
        guess: dict[str, Any] = {}
        for name, value in task.answer.items():
            others = self._values[name] - Counter([text(value)])
            guess[name] = loads(others.most_common(1)[0][0]) if others else None
        return guess


class Random:
    """Answers with a value that stands somewhere in the results of one offered tool, called as the plan's first node is."""

    name = "random"

    async def solve(self, task: Task, url: str, attempt: int) -> JSON:
        """One call, then any of its values for each field, chosen by a hash of task and attempt."""
        from firefly_mcp.observe import leaves, result_view

        async with Client(url, mode="legacy") as client:
            answer = await client.call_tool(task.plan[0].exposed_name, task.plan[0].arguments)
        result: JsonObject = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        values = [leaf.value for leaf in leaves(result_view(result).value)] or [None]

        def pick(name: str) -> Any:
            digest = hashlib.blake2b(f"{task.id}{name}{attempt}".encode(), digest_size=4).digest()
            return values[int.from_bytes(digest, "big") % len(values)]

        return {name: pick(name) for name in task.answer_schema["properties"]}


def instructions(task: Task) -> str:
    """What a model is told beside the request."""
    return (
        "Solve the user's request with the tools that you are given; do not guess. "
        f"Today is {task.now}. When you are done, answer with one JSON object of exactly this schema and nothing after it:\n"
        f"{text(task.answer_schema)}"
    )


class ModelSubject:
    """Any OpenAI-compatible model, run by the Agents SDK with its tools by MCP from the proxy."""

    def __init__(self, name: str, model: Any, *, max_turns: int = 12) -> None:
        """``model`` is an Agents SDK ``Model``."""
        self.name = name
        self._model = model
        self._max_turns = max_turns

    async def solve(self, task: Task, url: str, attempt: int) -> JSON:
        """Run the agent and read the last JSON object of its final message."""
        from agents.exceptions import AgentsException
        from agents.mcp import MCPServerStreamableHttp, create_static_tool_filter

        from agents import Agent, RunConfig, Runner

        offered = create_static_tool_filter(allowed_tool_names=task.tools)
        async with MCPServerStreamableHttp(params={"url": url}, tool_filter=offered, cache_tools_list=True) as server:
            agent = Agent(name="subject", instructions=instructions(task), model=self._model, mcp_servers=[server])
            try:
                run = await Runner.run(
                    agent, task.request, max_turns=self._max_turns, run_config=RunConfig(tracing_disabled=True)
                )
            except AgentsException:
                return None
        return answer_in(str(run.final_output))
