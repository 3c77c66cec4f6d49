"""Values are read out of descriptions and error messages, and nothing else is."""

from __future__ import annotations

import pytest

from firefly_agents.offline import hints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cabin: basic_economy, economy, or business.", ("basic_economy", "economy", "business")),
        ("yes or no.", ("yes", "no")),
        ("Flight type: one_way or round_trip.", ("one_way", "round_trip")),
        ("Pass `folder` ('sent' or 'inbox') to filter", ("sent", "inbox")),
        ("The unit, one of 'kg', 'lb'", ("kg", "lb")),
        ("unit: seconds|minutes|hours", ("seconds", "minutes", "hours")),
    ],
)
def test_allowed_values_are_found_in_prose(text: str, expected: tuple[str, ...]) -> None:
    assert hints.choices(text) == expected


@pytest.mark.parametrize(
    "text", ["The name of the person.", "IANA timezone name (e.g., 'Asia/Tokyo', 'Europe/London').", "A number from 1 to 5", ""]
)
def test_prose_that_limits_nothing_gives_no_allowed_values(text: str) -> None:
    assert hints.choices(text) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "IANA timezone name (e.g., 'America/New_York', 'Europe/London'). Use 'Etc/UTC' otherwise.",
            ("America/New_York", "Europe/London"),
        ),
        ("Returns one purchase order by number in the form 'PO-1187'.", ("PO-1187",)),
        ("A record of a given type (e.g. 'customer', 'lead') with a name.", ("customer", "lead")),
        ("ISO date, e.g. 2025-03-14", ("2025-03-14",)),
        ("Nothing to see here.", ()),
    ],
)
def test_samples_are_found_in_prose(text: str, expected: tuple[str, ...]) -> None:
    assert hints.samples(text) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("op 0: unknown op 'plus'. valid: ['add', 'diff', 'parse']", ("add", "diff", "parse")),
        ("Input should be 'ml', 'l' or 'cup'", ("ml", "l", "cup")),
        ('status must be one of "open", "done"', ("open", "done")),
        ("No such customer: cus_1", ()),
        ("Use get_countries to see available codes and subdivisions.", ()),
        ("invalid_request_error: No such charge: ch_1", ()),
    ],
)
def test_an_error_says_what_it_wanted(error: str, expected: tuple[str, ...]) -> None:
    assert hints.wanted(error) == expected


def test_an_argument_is_looked_up_in_the_docstring_of_its_tool() -> None:
    arguments = 'Args:\n    date: ISO date, e.g. "2026-04-21".\n    country: A code\n        of two letters.\n'
    description = f"Check a day.\n\n{arguments}\nReturns:\n    dict"
    assert hints.samples(hints.argument_text(description, "date")) == ("2026-04-21",)
    assert hints.argument_text(description, "country") == "A code of two letters."


def test_fields_of_objects_that_only_prose_describes() -> None:
    assert hints.fields_in("Passenger objects with first_name, last_name, dob.") == ("first_name", "last_name", "dob")
