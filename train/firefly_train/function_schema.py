"""Tool definitions as chat templates want them, with nothing of an MCP input schema lost.

verl's own schema classes keep ``type``, ``description`` and ``enum`` of each property only and refuse ``anyOf``; these keep
JSON Schema as it is. verl asks only for ``function.name`` and ``model_dump``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task


class Function(BaseModel):
    """A function's name, description and JSON Schema of its arguments."""

    model_config = ConfigDict(extra="allow")

    name: str
    description: str = ""
    parameters: dict[str, Any]


class FunctionSchema(BaseModel):
    """One entry of a chat template's ``tools``."""

    type: Literal["function"]
    function: Function


def function_schema(definition: JsonObject) -> JsonObject:
    """The chat template's entry for an MCP tool definition."""
    parameters = definition.get("inputSchema") or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {
            "name": definition["name"],
            "description": definition.get("description") or "",
            "parameters": parameters,
        },
    }


def answer_tool() -> JsonObject:
    """The entry of the answer channel. Its fields are the task's and are named in the prompt."""
    return {
        "type": "function",
        "function": {
            "name": ANSWER_TOOL,
            "description": "Submit the final answer and end the task.",
            "parameters": {
                "type": "object",
                "properties": {"answer": {"type": "object", "description": "The answer, one value for each field asked for."}},
                "required": ["answer"],
            },
        },
    }


def offered(task: Task) -> list[str]:
    """The names of the tools that a task offers: its own, then the answer channel.

    Raises:
        TaskError: a tool of the task has the answer channel's name.
    """
    if ANSWER_TOOL in task.tools:
        raise TaskError(f"task {task.id}: a tool is named {ANSWER_TOOL!r}, which is the name of the answer channel")
    return [*task.tools, ANSWER_TOOL]
