"""verl's reward function: the same binary reward as everywhere, over what the trajectory submitted."""

from __future__ import annotations

from typing import Any

from firefly_mcp.jsonio import JSON, loads
from firefly_mcp.reward import answer_in, reward

ANSWER_FIELD = "firefly_answer"
"""The agent loop's extra field with the submitted answer as JSON text."""


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None, **_: Any
) -> dict[str, float]:
    """Score one trajectory.

    Args:
        data_source: the row's data source; not used.
        solution_str: everything after the prompt, decoded without special tokens; tool results are part of it.
        ground_truth: JSON text ``{"answer", "schema"}`` of the row.
        extra_info: the row's ``extra_info`` with the agent loop's extra fields merged in.

    Returns:
        ``score`` (0.0 or 1.0) and ``submitted`` (whether the answer channel was used).
    """
    label = loads(ground_truth)
    submitted = (extra_info or {}).get(ANSWER_FIELD)
    answer = loads(submitted) if submitted else final_answer(solution_str)
    return {"score": reward(answer, label["answer"], label.get("schema")), "submitted": float(bool(submitted))}


def final_answer(solution_str: str) -> JSON:
    """The last JSON object of the final message; of a conversation, what follows the last tool result.

    A tool call that is not ``submit_answer`` never counts as an answer, nor does what a tool returned.
    """
    final = solution_str
    for mark in ("</tool_response>", "</tool_call>"):
        final = final.rpartition(mark)[2]
    return answer_in(final)
