"""Subjects of a benchmark: what tries to solve a task. Here those that are no model; they bound the scale at both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from httpx2 import AsyncClient

from firefly_mcp.dataset.guesses import Guesser
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import Tool
from firefly_proxies.plans import PlanFailedError, execute_plan, label_of, session_client


@dataclass(frozen=True)
class Limits:
    """What one attempt may use.

    Attributes:
        calls: tool calls.
        seconds: wall-clock time.
        tokens: tokens in and out, as far as the model tells them; None for no limit.
    """

    calls: int = 24
    seconds: float = 300.0
    tokens: int | None = None

    def to_json(self) -> JsonObject:
        """As the manifest has it."""
        return {"calls": self.calls, "seconds": self.seconds, "tokens": self.tokens}


@dataclass(frozen=True)
class Desk:
    """Where a subject works on one attempt.

    Attributes:
        url: the replay proxy's endpoint, with the session in it.
        tools: the tools on offer by their exposed names, those of the task alone.
        limits: what the attempt may use.
        http: a client to share between MCP sessions.
    """

    url: str
    tools: Mapping[str, Tool]
    limits: Limits
    http: AsyncClient


@dataclass(frozen=True)
class Solution:
    """What came of an attempt; the fields are those of :class:`~firefly_mcp.bench.rollout.Rollout`."""

    answer: JSON = None
    submitted: bool = False
    boundary: str = ""
    error: str = ""
    messages: list[JsonObject] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)


class Subject(Protocol):
    """Something that can be benchmarked."""

    name: str

    def describe(self) -> JsonObject:
        """Name and settings, for the manifest."""

    async def solve(self, task: Task, desk: Desk, attempt: int) -> Solution:
        """Work on a task. Trouble is told by the solution's boundary; what is raised counts as a failure of the proxy."""

    async def close(self) -> None:
        """Release what it holds."""


class Oracle:
    """Executes the task's own plan: what is reachable at all through replay. Anything below 100% is our fault."""

    name = "oracle"

    def describe(self) -> JsonObject:
        """It has no settings."""
        return {"name": self.name}

    async def solve(self, task: Task, desk: Desk, attempt: int) -> Solution:
        """Follow the plan and read the answer where the evidence says."""
        async with session_client(desk.url, desk.http) as client:
            try:
                return Solution(label_of(task, await execute_plan(task, client)))
            except PlanFailedError as error:
                return Solution(error=str(error))

    async def close(self) -> None:
        """It holds nothing."""


class Shortcut:
    """Answers without tools: each field with its most frequent value in the other tasks. What guessing is worth."""

    name = "shortcut"

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Count the answers of these tasks."""
        self._guesser = Guesser(tasks)

    def describe(self) -> JsonObject:
        """It has no settings."""
        return {"name": self.name}

    async def solve(self, task: Task, desk: Desk, attempt: int) -> Solution:
        """The most frequent values, the task's own answer not counted; the next frequent ones in later attempts."""
        return Solution(self._guesser.guess(task, attempt))

    async def close(self) -> None:
        """It holds nothing."""
