from __future__ import annotations

import json
from typing import Any

import pytest

from firefly_train.reward import compute_score
from firefly_train.trajectory import Trajectory

LABEL = json.dumps({"answer": {"total": 41.5}, "schema": {}})


def scored(solution: str, extra: dict[str, Any] | None = None) -> dict[str, float]:
    return compute_score("firefly", solution, LABEL, extra)


def test_a_submitted_answer_is_compared_with_the_label() -> None:
    right, wrong = Trajectory(), Trajectory()
    right.submit({"total": 41.5})
    wrong.submit({"total": 41.6})
    assert scored("", right.extra_fields()) == {"score": 1.0, "right": 1.0, "submitted": 1.0}
    assert scored("", wrong.extra_fields()) == {"score": 0.0, "right": 0.0, "submitted": 1.0}


def test_only_the_first_submission_counts() -> None:
    trajectory = Trajectory()
    trajectory.submit({"total": 0})
    trajectory.submit({"total": 41.5})
    assert scored("", trajectory.extra_fields())["score"] == 0.0


def test_without_a_submission_the_last_object_of_the_final_message_is_the_answer() -> None:
    trajectory = Trajectory()
    trajectory.conclude('I found {"total": 3}, no: {"total": 41.5}.')
    assert scored("", trajectory.extra_fields()) == {"score": 1.0, "right": 1.0, "submitted": 0.0}


def test_a_submission_is_not_replaced_by_what_is_said_after() -> None:
    trajectory = Trajectory()
    trajectory.submit({"total": 1})
    trajectory.conclude('{"total": 41.5}')
    assert scored("", trajectory.extra_fields())["score"] == 0.0


@pytest.mark.parametrize("said", ["", "It is 41.5.", '{"total": '])
def test_a_final_message_without_an_object_scores_nothing(said: str) -> None:
    trajectory = Trajectory()
    trajectory.conclude(said)
    assert scored('<tool_response>{"total": 41.5}</tool_response>', trajectory.extra_fields())["score"] == 0.0


def test_of_plain_text_neither_results_nor_calls_are_answers() -> None:
    assert scored('<tool_response>\n{"total": 41.5}\n</tool_response>\nassistant\nDone.')["score"] == 0.0
    assert scored('<tool_call>{"total": 41.5}</tool_call>')["score"] == 0.0
    assert scored('<tool_response>{"total": 1}</tool_response>\nassistant\n{"total": 41.5}')["score"] == 1.0


def test_an_answer_that_is_no_object_scores_nothing() -> None:
    trajectory = Trajectory()
    trajectory.submit("41.5")
    assert scored("", trajectory.extra_fields())["score"] == 0.0


def test_a_right_answer_is_worth_what_its_worst_match_is_worth() -> None:
    trajectory = Trajectory()
    for kind in ("exact", "semantic", "normalized"):
        trajectory.note({"firefly/match": kind})
    trajectory.submit({"total": 41.5})
    assert trajectory.worst == "semantic"
    extra = trajectory.extra_fields()
    assert compute_score("firefly", "", LABEL, extra, weights={"semantic": 0.5}) == {
        "score": 0.5,
        "right": 1.0,
        "submitted": 1.0,
    }
    assert compute_score("firefly", "", LABEL, extra, weights={"exact": 0.5})["score"] == 1.0
    assert compute_score("firefly", "", LABEL, extra)["score"] == 1.0
