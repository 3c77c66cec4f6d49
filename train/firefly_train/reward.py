"""verl's reward function: the same binary reward as everywhere, over what the trajectory submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firefly_mcp.jsonio import JSON, loads
from firefly_mcp.reward import answer_in, reward

ANSWER_FIELD = "firefly_answer"
"""The agent loop's extra field with the trajectory's answer as JSON text, ``null`` when there is none."""
SUBMITTED_FIELD = "firefly_submitted"
"""The agent loop's extra field that tells whether the answer came through the answer channel."""
WORST_FIELD = "firefly_worst_match"
"""The agent loop's extra field with the trajectory's worst match kind, empty where it called nothing."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    **_: Any,
) -> dict[str, float]:
    """Score one trajectory.

    Args:
        data_source: the row's data source; not used.
        solution_str: everything after the prompt, decoded without special tokens; tool results are part of it.
        ground_truth: JSON text ``{"answer", "schema"}`` of the row.
        extra_info: the row's ``extra_info`` with the agent loop's extra fields merged in.
        weights: what a right answer is worth by the trajectory's worst match kind; 1.0 for a kind that is not named. None, the
            default, keeps the reward binary.

    Returns:
        ``score`` (0.0 or 1.0, or the weight), ``right`` (0.0 or 1.0) and ``submitted`` (whether the answer channel was used).
    """
    label, known = loads(ground_truth), extra_info or {}
    # Our agent loop knows what the model said last; text alone, as from another loop, does not tell who said what.
    answer = loads(known[ANSWER_FIELD]) if ANSWER_FIELD in known else final_answer(solution_str)
    right = reward(answer, label["answer"], label.get("schema"))
    return {
        "score": right * float((weights or {}).get(str(known.get(WORST_FIELD, "")), 1.0)),
        "right": right,
        "submitted": float(bool(known.get(SUBMITTED_FIELD))),
    }


def final_answer(solution_str: str) -> JSON:
    """The last JSON object after the last tool call and tool result, as they are marked in Qwen's and Hermes' templates."""
    final = solution_str
    for mark in ("</tool_response>", "</tool_call>"):
        final = final.rpartition(mark)[2]
    return answer_in(final)
