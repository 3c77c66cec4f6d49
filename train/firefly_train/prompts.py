"""The prompt of a task: a short system text that names the answer's fields, and the request as it stands."""

from __future__ import annotations

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.answering import system_text
from firefly_mcp.tasks.model import Task


def messages(task: Task) -> list[JsonObject]:
    """The conversation's beginning."""
    return [{"role": "system", "content": system_text(task)}, {"role": "user", "content": task.request}]
