"""Two answers that differ in nothing but the clock say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.state.steady import alike

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)
LATER = AT + timedelta(minutes=9)


def said(value: object) -> JsonObject:
    return {"content": [{"type": "text", "text": text(value)}], "isError": False}


def same(one: object, other: object) -> bool:
    return alike(said(one), said(other), (AT.timestamp(), LATER.timestamp()))


@pytest.mark.parametrize("name", ["execution_time_ms", "elapsed", "durationMs", "runtime", "query_time", "took"])
def test_how_long_a_call_took_is_the_moments_own(name: str) -> None:
    assert same({"sum": 37, name: 0.107}, {"sum": 37, name: 0.209})


@pytest.mark.parametrize("name", ["time", "travel_time", "runtimes", "timeout", "duration_of_stay", "dosage"])
def test_other_numbers_are_not(name: str) -> None:
    assert not same({name: 12}, {name: 13})


def test_the_time_of_the_answer_is_masked_and_any_other_time_is_not() -> None:
    assert same(
        {"created_at": AT.isoformat(), "at": AT.timestamp()}, {"created_at": LATER.isoformat(), "at": LATER.timestamp()}
    )
    assert not same({"departs": "2027-01-02T10:00:00Z"}, {"departs": "2027-01-02T10:09:00Z"})
    assert not same("Saved on 2026-05-04 as note 3", "Saved on 2026-05-04 as note 4")
    assert same("Saved at 2026-05-04 10:00:00 in 3 ms", "Saved at 2026-05-04 10:09:00 in 12.5 ms")


def test_an_id_that_the_server_made_up_is_no_clock() -> None:
    assert not same({"id": "a1b2c3"}, {"id": "d4e5f6"})
