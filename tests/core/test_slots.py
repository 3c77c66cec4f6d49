"""The slot parser reads back exactly what the grammar wrote."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.tasks.slots import difference, slots, writable, written

PLAIN = (
    st.text(max_size=30).filter(writable)
    | st.integers(-(10**15), 10**15)
    | st.floats(-1e12, 1e12, allow_nan=False)
    | st.booleans()
    | st.dates().map(str)
    | st.times(timezones=st.none()).map(lambda t: t.strftime("%H:%M"))
)
LITERALS = (
    PLAIN | st.lists(PLAIN | st.lists(PLAIN, max_size=3), max_size=4) | st.dictionaries(st.text(max_size=8), PLAIN, max_size=3)
)


@given(st.lists(LITERALS, max_size=6))
def test_what_is_written_is_read_back_and_nothing_else(values: list[Any]) -> None:
    request = "Please do this, " + " and ".join(f"with value {written(value)}" for value in values) + ", then tell me."
    assert difference(values, request) == ([], [])


def test_a_missing_and_an_extra_literal_are_told_apart() -> None:
    missing, extra = difference(["Paris", 5], 'With city "Paris" and count 6.')
    assert missing == [5]
    assert extra == [6]


def test_words_with_digits_and_ordinals_are_not_literals() -> None:
    assert slots("Use the first step, tool3 and v1.2 of x-4; do not guess.") == []
