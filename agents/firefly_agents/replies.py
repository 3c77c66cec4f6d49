"""Replies of a named model to single questions, by the Agents SDK: one system prompt from a file, no tools, no memory."""

from __future__ import annotations

from functools import cache
from importlib import resources

from agents.exceptions import AgentsException
from openai import OpenAIError

from agents import Agent, RunConfig, Runner
from firefly_agents.models import make_named_model
from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject, loads


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
