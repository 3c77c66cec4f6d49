"""``--model offline``: a model for the OpenAI Agents SDK that needs no key: it plans from schemas and from what it saw."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

from agents.agent_output import AgentOutputSchemaBase
from agents.handoffs import Handoff
from agents.items import TResponseInputItem, TResponseStreamEvent
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.models.interface import ModelTracing
from agents.tool import Tool as AgentTool
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)
from openai.types.responses.response_prompt_param import ResponsePromptParam

from agents import Model, ModelResponse, ModelSettings, Usage
from firefly_agents.offline.planner import EpisodePlanner
from firefly_mcp.jsonio import text
from firefly_mcp.types import ToolKey

DONE = "Exploration of this episode is done."


class OfflineModel(Model):
    """Answers every turn with the planner's next tool call, and with a message when the episode is over.

    One instance serves one run of one agent: it keeps count of its own calls.
    """

    def __init__(self, planner: EpisodePlanner, names: Mapping[ToolKey, str]) -> None:
        """Speak for a planner; ``names`` are the names under which the proxy offers the tools."""
        self._planner = planner
        self._names = dict(names)
        self._ids = itertools.count(1)
        self._waiting: str | None = None

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the interface's own name
        model_settings: ModelSettings,
        tools: list[AgentTool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        """Read the answer to the last call, and plan the next one."""
        return ModelResponse(output=[self._turn(input)], usage=Usage(), response_id=None)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002
        model_settings: ModelSettings,
        tools: list[AgentTool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """The same turn as one completed event: there is nothing to wait for in between."""
        response = Response(
            id=FAKE_RESPONSES_ID,
            created_at=0,
            model="offline",
            object="response",
            output=[self._turn(input)],
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
        )
        yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")

    def _turn(self, items: str | list[TResponseInputItem]) -> ResponseFunctionToolCall | ResponseOutputMessage:
        if self._waiting is not None:
            self._planner.observe(_output_of(items, self._waiting))
            self._waiting = None
        planned = self._planner.next()
        if planned is None:
            said = ResponseOutputText(text=DONE, type="output_text", annotations=[])
            return ResponseOutputMessage(
                id=FAKE_RESPONSES_ID, content=[said], role="assistant", status="completed", type="message"
            )
        key, arguments = planned
        self._waiting = f"call_{next(self._ids)}"
        return ResponseFunctionToolCall(
            id=FAKE_RESPONSES_ID,
            call_id=self._waiting,
            name=self._names[key],
            arguments=text(arguments),
            type="function_call",
        )


def _output_of(items: str | list[TResponseInputItem], call_id: str) -> str:
    """The output of a call among the input items, its text parts joined."""
    if isinstance(items, str):
        return ""
    for item in reversed(items):
        given: dict[str, Any] = dict(item)
        if given.get("type") == "function_call_output" and given.get("call_id") == call_id:
            output = given.get("output")
            if isinstance(output, list):
                return "\n".join(str(part.get("text", "")) for part in output if isinstance(part, dict))
            return str(output)
    return ""
