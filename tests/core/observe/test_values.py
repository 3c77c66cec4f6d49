from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.observe import THRESHOLD, informative, number_in


@pytest.mark.parametrize(
    "value", [None, True, False, "", " ", "a", 0, 1, -1, 1.0, "1", "true", "OK", "asc", "none", float("nan"), [], {}]
)
def test_values_that_are_everywhere_tell_nothing(value: Any) -> None:
    assert informative(value) == 0.0


@pytest.mark.parametrize("value", [2, 10, 42, 100, "12", "US", "007", "daily"])
def test_small_numbers_and_short_codes_are_not_evidence_of_a_flow(value: Any) -> None:
    assert informative(value) < THRESHOLD


@pytest.mark.parametrize(
    "value", ["usr_8831", "HAT135", "ada@example.org", "https://example.org/x", "8d4f6c1e-0b1a-4a8e-9a55-1c8a3e4d5f60", 9482716]
)
def test_ids_addresses_and_long_numbers_tell_most(value: Any) -> None:
    assert informative(value) >= 0.9


def test_more_digits_and_more_words_tell_more() -> None:
    assert informative(7) < informative(37) < informative(137) < informative(51_937) < informative(9_482_716)
    assert informative(0.5) < informative(12.5) < informative(3.14159)
    assert informative("Oslo") < informative("Oslo Central Station")
    assert informative(100_000) < informative(123_456)


def test_a_number_tells_the_same_as_a_string_and_a_container_as_its_best_member() -> None:
    assert informative("12.5") == informative(12.5)
    assert informative({"a": 1, "b": ["ok", "usr_8831"]}) == informative("usr_8831")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_the_scale_goes_from_zero_to_one_for_anything(value: Any) -> None:
    assert 0.0 <= informative(value) <= 1.0


@given(st.integers(-(10**18), 10**18))
def test_a_written_integer_is_read_back(value: int) -> None:
    assert number_in(f" {value} ") == value


@pytest.mark.parametrize("text", ["007", "1,000", "12.", ".5", "1e5", "", "12a", "--1"])
def test_codes_and_odd_notations_are_not_numbers(text: str) -> None:
    assert number_in(text) is None
