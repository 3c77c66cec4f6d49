"""The reward of tasks that come from a known benchmark and are graded by what became of the world, not by an answer's fields.

Such a task carries ``outcome``: ``state``, the hash of the world after its right actions, and ``told``, what the user must be
told. This is tau2-bench's grading by ``DB`` and ``COMMUNICATE`` (Barres et al. 2025, arXiv 2506.07982): the world in the end
equals the one that the right actions leave, and each text stands in what was said, commas and case aside.
"""

from __future__ import annotations

from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.tasks.model import Task

REPLY = "reply"
"""The one field of such a task's answer: what is said to the user."""


def outcome_of(task: Task) -> JsonObject | None:
    """What such a task must lead to; None for a task that is graded by its answer."""
    found: Any = (task.model_extra or {}).get("outcome")
    return found if isinstance(found, dict) else None


def outcome_reward(outcome: JsonObject, state: str, answer: JSON) -> float:
    """1.0 if the world ended as it must and everything was said, else 0.0."""
    said = str(answer.get(REPLY, "")) if isinstance(answer, dict) else ""
    plain = said.lower().replace(",", "")
    told = all(str(text).lower().replace(",", "") in plain for text in outcome.get("told") or [])
    return float(told and state == outcome.get("state"))
