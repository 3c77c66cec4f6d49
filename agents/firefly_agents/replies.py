"""Replies of a named model to single questions, by the Agents SDK: one system prompt from a file, no tools, no memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib import resources

import anyio
from agents.exceptions import AgentsException
from openai import OpenAIError

from agents import Agent, RunConfig, Runner
from firefly_agents.models import make_named_model
from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.tasks.model import Task


class Replies:
    """A model under one system prompt."""

    def __init__(self, model: str, prompt: str) -> None:
        """``model`` at ``OPENAI_BASE_URL``; ``prompt`` is the name of a file in ``prompts``.

        Raises:
            ModelError: no endpoint is configured.
        """
        self._name = model
        self._model = make_named_model(model)
        self._agent = Agent(name=prompt.removesuffix(".md"), instructions=prompt_text(prompt), model=self._model)

    async def to(self, question: str) -> str:
        """The model's reply.

        Raises:
            ModelError: the endpoint refuses, or does not answer.
        """
        config = RunConfig(tracing_disabled=True, workflow_name="firefly")
        try:
            done = await Runner.run(self._agent, question, max_turns=1, run_config=config)
        except (OpenAIError, AgentsException) as trouble:
            raise ModelError(f"model {self._name}: {' '.join(str(trouble).split())[:300]}") from trouble
        return str(done.final_output or "")

    async def close(self) -> None:
        """Close the connections."""
        await self._model.close()


def read_object(reply: str) -> JsonObject | None:
    """The JSON object in a reply; None where there is none."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        said = loads(reply[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


@cache
def prompt_text(name: str) -> str:
    """A system prompt."""
    return resources.files("firefly_agents").joinpath(f"prompts/{name}").read_text(encoding="utf-8")


async def each_asked(
    tasks: Sequence[Task], one: Callable[[int, Task], Awaitable[None]], replies: Replies, concurrency: int
) -> None:
    """Ask something of every task, the first alone: an endpoint that does not answer is told at once. Closes ``replies``.

    Raises:
        ModelError: the model does not answer.
    """
    limiter = anyio.CapacityLimiter(concurrency)

    async def limited(number: int, task: Task) -> None:
        async with limiter:
            await one(number, task)

    try:
        if tasks:
            await limited(0, tasks[0])
        async with anyio.create_task_group() as group:
            for number, task in enumerate(tasks[1:], 1):
                group.start_soon(limited, number, task)
    except BaseExceptionGroup as trouble:
        for inner in trouble.exceptions:
            if isinstance(inner, ModelError):
                raise inner from trouble
        raise
    finally:
        await replies.close()
