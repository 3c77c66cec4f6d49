"""A value that is the day's own is no answer."""

from __future__ import annotations

from datetime import date

import pytest

from firefly_mcp.tasks.today import tells_the_day

THURSDAY = date(2026, 5, 7)


@pytest.mark.parametrize("value", ["2026-05-07", "2026-05-08T09:30:00Z", "Thursday", "wednesday"])
def test_the_date_and_the_weekday_of_the_call_and_those_beside_it_are_the_days_own(value: str) -> None:
    assert tells_the_day(value, THURSDAY, {"timezone": "Asia/Tokyo"})


@pytest.mark.parametrize("value", ["2026-05-01", "Monday", "Thursday next", 7])
def test_other_values_are_not(value: object) -> None:
    assert not tells_the_day(value, THURSDAY, {"timezone": "Asia/Tokyo"})


def test_a_weekday_that_was_asked_for_by_its_date_is_not() -> None:
    assert not tells_the_day("Thursday", THURSDAY, {"date": "2026-05-07"})


@pytest.mark.parametrize(("called", "value"), [("week of year", 19), ("day_of_year", "127"), ("month", 5), ("$.year", 2026)])
def test_a_number_that_is_called_as_one_of_the_days_numbers_is(called: str, value: object) -> None:
    assert tells_the_day(value, THURSDAY, {"timezone": "Asia/Tokyo"}, called)
    assert not tells_the_day(value, THURSDAY, {"timezone": "Asia/Tokyo"}, "count")
    assert not tells_the_day(value, THURSDAY, {"date": "2026-05-07"}, called)
    assert not tells_the_day(value, THURSDAY, {"weeks": 3}, called)
