"""The reward: typed comparison, all fields or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.reward import answer_in, reward

RIGHT = [
    (5, 5),
    (5, 5.0),
    (5, "5"),
    (12.34, 12.344),
    (1234567.0, 1234567.5),
    ("2026-05-04", "2026-05-04"),
    ("2026-05-04T12:00:00Z", "2026-05-04T14:00:00+02:00"),
    ("Anna Brandt", " anna  BRANDT "),
    ("24.3", 24.3),
    (["a", "b"], ["A", "b"]),
    (True, True),
]
WRONG = [
    (5, 6),
    (5, 5.2),
    (5, True),
    (12.34, 12.35),
    ("2026-05-04", "2026-05-05"),
    ("2026-05-04", "04.05.2026"),
    ("Anna", "Ann"),
    (["a", "b"], ["b", "a"]),
    (True, 1),
    (True, "true"),
    ("007", "7x"),
]


@pytest.mark.parametrize(("label", "given_answer"), RIGHT)
def test_equal_by_the_labels_type(label: Any, given_answer: Any) -> None:
    assert reward({"x": given_answer}, {"x": label}) == 1.0


@pytest.mark.parametrize(("label", "given_answer"), WRONG)
def test_different_by_the_labels_type(label: Any, given_answer: Any) -> None:
    assert reward({"x": given_answer}, {"x": label}) == 0.0


def test_every_field_must_be_there_and_no_other() -> None:
    label = {"a": 1, "b": "two"}
    assert reward({"a": 1, "b": "two"}, label) == 1.0
    assert reward({"a": 1}, label) == 0.0
    assert reward({"a": 1, "b": "two", "c": 3}, label) == 0.0
    assert reward("a", label) == reward(None, label) == 0.0


def test_an_array_is_a_set_only_where_the_schema_says_so() -> None:
    schema = {"properties": {"x": {"type": "array", "uniqueItems": True}}}
    assert reward({"x": ["b", "a"]}, {"x": ["a", "b"]}, schema) == 1.0
    assert reward({"x": ["a", "a"]}, {"x": ["a", "b"]}, schema) == 0.0


def test_the_answer_is_the_last_whole_object_of_a_message() -> None:
    assert answer_in('First {"a": 1}. So: ```json\n{"a": {"b": 2}}\n``` done {not json}') == {"a": {"b": 2}}
    assert answer_in("no object here {") is None


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.booleans() | st.floats(allow_nan=False), max_size=4))
def test_a_label_is_its_own_right_answer(label: dict[str, Any]) -> None:
    assert reward(label, label) == 1.0
