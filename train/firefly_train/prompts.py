"""The prompt of a task: a short system text that names the answer's fields, and the request as it stands."""

from __future__ import annotations

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.model import Task
from firefly_train.function_schema import ANSWER_TOOL


def system_text(task: Task) -> str:
    """Who the model is, which day it is, and what the answer must hold."""
    fields = task.answer_schema.get("properties") or {name: {} for name in task.answer}
    asked = "; ".join(_field(name, schema) for name, schema in fields.items())
    return (
        f"Today is {task.now}. Use the tools to find what is asked, one call at a time. "
        f"Then call {ANSWER_TOOL} with an answer that has exactly these fields: {asked}."
    )


def messages(task: Task) -> list[JsonObject]:
    """The conversation's beginning."""
    return [{"role": "system", "content": system_text(task)}, {"role": "user", "content": task.request}]


def _field(name: str, schema: JsonObject) -> str:
    kind = schema.get("type")
    description = str(schema.get("description") or "").strip()
    about = f"{name} ({kind})" if isinstance(kind, str) else name
    return f"{about}: {description}" if description else about
