"""A model as a subject: the Agents SDK runs it with the task's tools by MCP from the replay proxy, and ``submit_answer``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agents.agent import ToolsToFinalOutputResult
from agents.exceptions import AgentsException, MaxTurnsExceeded, ModelBehaviorError
from agents.mcp import MCPServerStreamableHttp, MCPServerStreamableHttpParams
from agents.tool import FunctionTool
from openai import OpenAIError

from agents import Agent, Model, ModelResponse, ModelSettings, RunConfig, RunContextWrapper, RunHooks, Runner
from firefly_agents.bench.subjects import Desk, Solution
from firefly_agents.session import _plain_client
from firefly_mcp.bench.attribution import misfit
from firefly_mcp.bench.outcome import REPLY, outcome_of
from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.reward import answer_in
from firefly_mcp.tasks.answering import ANSWER_TOOL, system_text
from firefly_mcp.tasks.model import Task

_LONGEST = 20_000
"""Characters that are kept of one text of a conversation."""

MakeModel = Callable[[Task, Desk, int], Model]
"""Makes the model of one attempt from the task, where it works, and the number of the attempt."""


class TokensSpentError(AgentsException):
    """The attempt used as many tokens as it may."""


class AgentSubject:
    """Any model of the Agents SDK."""

    def __init__(
        self,
        name: str,
        make_model: MakeModel,
        *,
        temperature: float | None = None,
        seed: int | None = None,
        more: JsonObject | None = None,
    ) -> None:
        """Benchmark the models that ``make_model`` makes.

        Args:
            name: the subject's name in reports.
            make_model: makes the model of one attempt; one and the same is fine.
            temperature: of sampling; the endpoint's own where not given.
            seed: of sampling, the attempt's number added to it; none is sent where not given.
            more: further settings for the manifest.
        """
        self.name = name
        self._make = make_model
        self._temperature = temperature
        self._seed = seed
        self._more = more or {}
        self._closing: dict[int, Any] = {}

    def describe(self) -> JsonObject:
        """Name and how it samples."""
        return {"name": self.name, "temperature": self._temperature, "seed": self._seed, **self._more}

    async def solve(self, task: Task, desk: Desk, attempt: int) -> Solution:
        """Let the agent work until it answers or a limit is reached."""
        model = self._make(task, desk, attempt)
        self._closing[id(model)] = model
        desk_answer = AnswerDesk(task)
        boundary = error = ""
        outcome: Any = None
        try:
            async with asyncio.timeout(desk.limits.seconds), _tools_of(desk) as server:
                agent = Agent(
                    name="subject",
                    instructions=instructions(task),
                    model=model,
                    model_settings=self._settings(attempt),
                    mcp_servers=[server],
                    tools=[desk_answer.tool()],
                    tool_use_behavior=desk_answer.settle,
                )
                outcome = await Runner.run(
                    agent,
                    task.request,
                    max_turns=desk.limits.calls + 2,
                    hooks=TokenLimit(desk.limits.tokens),
                    run_config=RunConfig(
                        tracing_disabled=True,
                        workflow_name="firefly bench",
                        tool_not_found_behavior="return_error_to_model",
                    ),
                )
        except Exception as trouble:
            boundary, error = boundary_of(trouble)
            outcome = getattr(trouble, "run_data", None)
        answer = desk_answer.answer
        if answer is None and not boundary and outcome is not None:
            final = str(outcome.final_output)
            answer = {REPLY: final} if outcome_of(task) is not None else answer_in(final)
        return Solution(
            answer,
            desk_answer.answer is not None,
            boundary if answer is None else "",
            error,
            conversation(task, outcome),
            usage_of(outcome),
        )

    async def close(self) -> None:
        """Close the models that have something to close."""
        for model in self._closing.values():
            await model.close()
        self._closing.clear()

    def _settings(self, attempt: int) -> ModelSettings:
        extra = None if self._seed is None else {"seed": self._seed + attempt}
        return ModelSettings(temperature=self._temperature, extra_args=extra)


class AnswerDesk:
    """Takes the answer of one attempt: the first that fits the task's schema counts; one that does not is told why."""

    def __init__(self, task: Task) -> None:
        """For one attempt at ``task``."""
        self._task = task
        self.answer: JsonObject | None = None

    def tool(self) -> FunctionTool:
        """``submit_answer(answer)``."""
        schema = {
            "type": "object",
            "properties": {"answer": self._task.answer_schema},
            "required": ["answer"],
            "additionalProperties": False,
        }
        return FunctionTool(
            name=ANSWER_TOOL,
            description="Submit the final answer and end the task.",
            params_json_schema=schema,
            on_invoke_tool=self._take,
            strict_json_schema=False,
        )

    async def _take(self, context: Any, arguments: str) -> str:
        try:
            given = loads(arguments or "{}")
        except ValueError as error:
            return f"not accepted: the arguments are not JSON ({error})"
        answer = given.get("answer") if isinstance(given, dict) else None
        problem = misfit(self._task, answer)
        if problem:
            return f"not accepted: {problem}"
        if self.answer is None and isinstance(answer, dict):
            self.answer = answer
        return "accepted"

    def settle(self, context: RunContextWrapper[Any], results: list[Any]) -> ToolsToFinalOutputResult:
        """End the run once an answer was accepted."""
        done = self.answer is not None
        return ToolsToFinalOutputResult(is_final_output=done, final_output=text(self.answer) if done else None)


class TokenLimit(RunHooks[Any]):
    """Ends a run that has used as many tokens as it may."""

    def __init__(self, limit: int | None) -> None:
        """Without a limit nothing is counted."""
        self._limit = limit

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        """Count after each turn."""
        used = context.usage.total_tokens
        if self._limit is not None and used > self._limit:
            raise TokensSpentError(f"used {used} of {self._limit} tokens")


def instructions(task: Task) -> str:
    """What a model is told beside the request: the words that ``firefly train`` uses, so that a trained model knows them."""
    if outcome_of(task) is not None:
        return str((task.model_extra or {}).get("policy", ""))
    return system_text(task)


def boundary_of(trouble: BaseException) -> tuple[str, str]:
    """Where trouble arose, and what it says, on one line."""
    if isinstance(trouble, BaseExceptionGroup):
        return boundary_of(trouble.exceptions[0])
    said = " ".join(str(trouble).split())[:300] or type(trouble).__name__
    if isinstance(trouble, MaxTurnsExceeded | TimeoutError | TokensSpentError):
        return "budget", said
    if isinstance(trouble, ModelBehaviorError):
        return "format", said
    if isinstance(trouble, OpenAIError | ModelError):
        return "model", said
    return "proxy", f"{type(trouble).__name__}: {said}"


def conversation(task: Task, outcome: Any) -> list[JsonObject]:
    """The conversation of a run, or of what there was of it when it failed; long texts are cut."""
    items = [] if outcome is None else [item.to_input_item() for item in outcome.new_items]
    return [{"role": "user", "content": task.request}, *(_short(loads(text(_plain(item)))) for item in items)]


def usage_of(outcome: Any) -> dict[str, int]:
    """Requests and tokens of a run, as far as its model tells; empty otherwise."""
    usage = None if outcome is None else outcome.context_wrapper.usage
    if usage is None or not usage.total_tokens:
        return {}
    return {"requests": usage.requests, "input": usage.input_tokens, "output": usage.output_tokens}


def _tools_of(desk: Desk) -> MCPServerStreamableHttp:
    return MCPServerStreamableHttp(
        MCPServerStreamableHttpParams(
            url=desk.url,
            timeout=desk.limits.seconds,
            sse_read_timeout=desk.limits.seconds,
            httpx_client_factory=_plain_client,
        ),
        name="replay",
        cache_tools_list=True,
        use_structured_content=True,
        client_session_timeout_seconds=desk.limits.seconds,
        tool_filter=lambda context, tool: tool.name in desk.tools,
    )


def _plain(item: Any) -> Any:
    return item.model_dump(mode="json", exclude_none=True) if hasattr(item, "model_dump") else item


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value
