"""The comparer of each kind makes one form of the spellings of one value, and leaves alone what it cannot be sure of."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.match import comparers
from firefly_mcp.match.kinds import ArgumentKind

SAME: list[tuple[comparers.Comparer, Any, Any]] = [
    (comparers.trim_strings, " Zoë\n", "Zoe\u0308"),
    (comparers.whole_numbers, 5.0, 5),
    (comparers.coerce_integers, "1,200", 1200),
    (comparers.coerce_numbers, "1,234.50", 1234.5),
    (comparers.coerce_numbers, "+5", 5),
    (comparers.coerce_booleans, "False", False),
    (comparers.parse_dates, "Jan 5, 2024", "2024-01-05"),
    (comparers.parse_dates, "5 January 2024", "2024-01-05"),
    (comparers.parse_dates, "Friday, January 5th, 2024", "2024-01-05"),
    (comparers.parse_dates, "2024/1/5", "2024-01-05"),
    (comparers.parse_dates, "20240105", "2024-01-05"),
    (comparers.parse_dates, "13.01.2024", "2024-01-13"),
    (comparers.parse_dates, "01/13/2024", "2024-01-13"),
    (comparers.parse_moments, "2024-01-05T12:00:00+02:00", "2024-01-05T10:00:00Z"),
    (comparers.parse_times, "8:00", "08:00"),
    (comparers.parse_times, "8 PM", "20:00"),
    (comparers.parse_times, "12:30 a.m.", "00:30"),
    (comparers.parse_times, "08:00:00", "08:00"),
    (comparers.parse_uris, "HTTPS://Example.org:443", "https://example.org/"),
    (comparers.parse_uris, "https://example.org/a%2fb", "https://example.org/a%2Fb"),
    (comparers.normalize_paths, "./a//b", "a/b"),
    (comparers.normalize_paths, "/a/./b", "/a/b"),
    (comparers.fold_uuids, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    (comparers.collapse_spaces, "a  quiet\nroom", "a quiet room"),
    (comparers.fold_enum(["km", "mi"]), "KM", "km"),
]
DIFFERENT: list[tuple[comparers.Comparer, Any, Any]] = [
    (comparers.parse_dates, "01/05/2024", "2024-01-05"),
    (comparers.parse_dates, "01/05/2024", "05/01/2024"),
    (comparers.parse_dates, "Feb 30, 2024", "2024-03-01"),
    (comparers.parse_dates, "May 2024", "2024-05-01"),
    (comparers.parse_times, "8", "08:00"),
    (comparers.parse_times, "8:00 PM", "08:00"),
    (comparers.parse_times, "25:00", "01:00"),
    (comparers.coerce_numbers, "1,23", 123),
    (comparers.coerce_integers, "1.5", 1.5),
    (comparers.normalize_paths, "a/../b", "b"),
    (comparers.normalize_paths, "a/b/", "a/b"),
    (comparers.normalize_paths, "A/b", "a/b"),
    (comparers.parse_uris, "https://example.org/A", "https://example.org/a"),
    (comparers.parse_uris, "https://example.org:8443/", "https://example.org/"),
    (comparers.collapse_spaces, "```\na  b\n```", "``` a b ```"),
    (comparers.fold_enum(["a", "A"]), "á", "a"),
]


@pytest.mark.parametrize(("comparer", "left", "right"), SAME)
def test_two_spellings_of_one_value_have_one_form(comparer: comparers.Comparer, left: Any, right: Any) -> None:
    assert comparer(left) == comparer(right)
    assert type(comparer(left)) is type(comparer(right))


@pytest.mark.parametrize(("comparer", "left", "right"), DIFFERENT)
def test_what_may_be_two_values_keeps_two_forms(comparer: comparers.Comparer, left: Any, right: Any) -> None:
    assert comparer(left) != comparer(right)


@pytest.mark.parametrize(("comparer", "left", "right"), [*SAME, *DIFFERENT])
def test_a_form_is_its_own_form(comparer: comparers.Comparer, left: Any, right: Any) -> None:
    assert comparer(comparer(left)) == comparer(left)
    assert comparer(comparer(right)) == comparer(right)


def test_every_kind_says_how_its_strings_are_compared() -> None:
    assert set(comparers.COMPARERS) == set(ArgumentKind)
