"""The answer channel: the tool by which a subject answers a task, what it is told, and whether an answer has the right form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.tasks.model import Task

ANSWER_TOOL = "submit_answer"
ANSWER = "answer"
"""The channel's only argument."""
_SHOWN = 200


def answer_tool(task: Task) -> JsonObject:
    """The channel's MCP definition; the schema of its argument is the task's answer schema."""
    return {
        "name": ANSWER_TOOL,
        "description": "Submit the final answer and end the task. One value for each field asked for, and nothing else.",
        "inputSchema": {
            "type": "object",
            "properties": {ANSWER: task.answer_schema},
            "required": [ANSWER],
            "additionalProperties": False,
        },
    }


def briefing(task: Task) -> str:
    """What a subject is told: the request, the date that it assumes, and how to answer."""
    return (
        f"{task.request}\n\nToday is {task.now}. Find the answer with the tools that you are given; do not guess. When you have"
        f" it, call {ANSWER_TOOL} once with an answer of this JSON Schema:\n{text(task.answer_schema)}"
    )


def system_text(task: Task) -> str:
    """Who the model is, which day it is, and what the answer must hold."""
    fields = task.answer_schema.get("properties") or {name: {} for name in task.answer}
    asked = "; ".join(_field(name, schema) for name, schema in fields.items())
    return (
        f"Today is {task.now}. Use the tools to find what is asked, one call at a time. "
        f"Then call {ANSWER_TOOL} with an answer that has exactly these fields: {asked}."
    )


def misfit(answer: JSON, task: Task) -> str | None:
    """What of an answer does not fit the task's answer schema, naming the field; None if it fits."""
    found = best_match(_validator(text(task.answer_schema)).iter_errors(answer))
    if found is None:
        return None
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in found.absolute_path)
    said = found.message if len(found.message) <= _SHOWN else f"{found.message[:_SHOWN]}…"
    return f"{ANSWER}{place}: {said}"


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    return Draft202012Validator(loads(schema))


def _field(name: str, schema: JsonObject) -> str:
    kind = schema.get("type")
    description = str(schema.get("description") or "").strip()
    about = f"{name} ({kind})" if isinstance(kind, str) else name
    return f"{about}: {description}" if description else about
