"""Gates over the request: completeness (it states what the plan needs, and only that) and leakage (it gives nothing away)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from firefly_mcp.observe import walk
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.literals import stated_values
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.tasks.pronouns import unresolved
from firefly_mcp.tasks.slots import difference

MAX_WORDS = 60


def completeness_gate(task: Task, seen: Observed) -> Verdict:
    """The slot parser recovers from the request every literal that the plan needs, and only those; it is short, and every word
    that points at something points at what the request named.
    """
    needed = stated_values(task.plan, task.evidence, seen.tools)
    missing, extra = difference(needed, task.request)
    if extra:  # what is a default need not be stated, and may be
        _, extra = difference([*needed, *_arguments(task)], task.request)
    if missing:
        return Verdict(gate="completeness", passed=False, reason=f"the request does not state {missing[0]!r}")
    if extra:
        return Verdict(
            gate="completeness", passed=False, reason=f"the request states {extra[0]!r}, which the plan does not need"
        )
    pointing = unresolved(task.request)
    if pointing:
        return Verdict(gate="completeness", passed=False, reason=f"the request says {pointing!r} of nothing that it named")
    words = len(task.request.split())
    if words > MAX_WORDS:
        return Verdict(gate="completeness", passed=False, reason=f"the request has {words} words, more than {MAX_WORDS}")
    return Verdict(gate="completeness", passed=True, reason=f"{len(needed)} literals stated")


def _arguments(task: Task) -> Iterator[Any]:
    """Every value, and every array and object, of the plan's arguments."""
    for node in task.plan:
        yield from (value for steps, value in walk(node.arguments) if steps and value is not None)


def leakage_gate(task: Task, seen: Observed) -> Verdict:
    """No answer in the request or in a description of the offered tools, and no multi-word tool name in the request."""
    offered = list(seen.grounds.offered(task.tools))
    for name, value in task.answer.items():
        if tells(task.request, value):
            return Verdict(gate="leakage", passed=False, reason=f"{name}: the request holds {value!r}")
        for tool in offered:
            if tells(tool.description, value):
                return Verdict(gate="leakage", passed=False, reason=f"{name}: the description of {tool.key} holds {value!r}")
    request = task.request.lower()
    for tool in offered:
        if re.search(r"[a-z][_-]|[a-z][A-Z]", tool.name) and tool.name.lower() in request:
            return Verdict(gate="leakage", passed=False, reason=f"the request names the tool {tool.name}")
    return Verdict(gate="leakage", passed=True, reason="neither request nor descriptions hold the answer")


def tells(text: str, value: Any) -> bool:
    """Whether a text holds a value as a whole token: 12 is not in 123, nor ``ann`` in ``annual``."""
    if value is None or isinstance(value, bool | dict | list):
        return False
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    token = str(value).strip().lower()
    return bool(token) and re.search(rf"(?<![\w.]){re.escape(token)}(?![\w]|\.\d)", text.lower()) is not None
