"""What is kept of servers' words, what a request may point at, and how much alike requests are."""

from __future__ import annotations

import pytest

from firefly_mcp.tasks.labels import label, path_label, with_unit
from firefly_mcp.tasks.pronouns import unresolved
from firefly_mcp.tasks.sameness import frames
from firefly_mcp.tasks.slots import difference, slots, writable, written
from firefly_mcp.tasks.words import goal, outcome
from firefly_mcp.types import Tool


def _tool(name: str, description: str, server: str = "acme-mcp", title: str = "") -> Tool:
    return Tool(server, {"name": name, "description": description, "title": title, "inputSchema": {"type": "object"}})


@pytest.mark.parametrize(
    ("name", "description", "expected"),
    [
        ("math_add", "Add two numbers and return the sum.", "add two numbers"),
        ("math_sub", "Subtract b from a and return the difference.", "subtract b from a"),
        ("is_odd", "Checks whether a number\n is odd.", "check whether a number is odd"),
        ("lookup", "Lookup airport by IATA/ICAO/city/name.", "look up the airport by IATA or ICAO or city or name"),
        ("area", "Airports within radius_km of IATA (default 150).", "find the airports within radius km of IATA"),
        (
            "get_nav",
            "Latest live NAV for a fund scheme code. Use for current NAV.",
            "get the latest live NAV for a fund scheme code",
        ),
        ("get_chunk", "Get full content of a specific chunk by its ID.", "get the full content of a specific chunk"),
        ("hist", "**MUST be called first** before any other tool.", "work out the hist"),
        ("find_notes", "Finds your notes. It knows them all.", "find the notes"),
        ("rule", "Rule of 72 doubling time.", "work out the rule of seventy-two doubling time"),
        ("fire", "Calculate your FIRE (retire early) number.", "calculate the FIRE number"),
        ("to_binary", "Convert an integer to its binary form (without 0b).", "convert an integer to binary form"),
        ("guide", "Get a selection guide organized by 12 categories.", "get a selection guide"),
        ("payoff", "Calculate how long to pay off a debt and what it costs in all, with interest.", "work out the payoff"),
        ("drip_rate_calculator", "", "work out the drip rate"),
        ("sine", "Sine function.", "evaluate the sine function"),
        ("rent_vs_buy", "", "compare rent vs buy"),
        ("listar_feriados", "Lista feriados num ano da UF.", "list feriados"),
        ("kendall", "Kendall's tau-b rank correlation.", "work out Kendall's tau-b rank correlation"),
        ("mle", "Maximum Likelihood Estimation", "work out the Maximum Likelihood Estimation"),
        ("capabilities", "Map of area -> tools.", "work out the map of area to tools"),
        (
            "group__split_pdf",
            "Detect structure then split the PDF into 3 files/chapters using `x`",
            "detect the structure then split the PDF",
        ),
        ("fire_number", "FIRE: financial independence.", "work out the FIRE number"),
        ("is_feriado_nacional", "Verifica se uma data é feriado brasileiro.", "test for feriado nacional"),
        ("bulk_filter_workbooks", "", "filter the bulk workbooks"),
        ("clock", "Report the time, convert time zones, format dates, and add spans.", "work out the clock"),
        ("sort_rows", "Find, filter and sort rows.", "find, filter and sort rows"),
        ("look_up", "Search, 5 things at once.", "look up"),
    ],
)
def test_a_goal_is_what_the_description_says_in_plain_words_else_the_name(name: str, description: str, expected: str) -> None:
    assert goal(_tool(name, description)) == expected


def test_what_a_tool_finds_is_its_outcome_but_not_the_means() -> None:
    assert outcome(_tool("weekday", "Return the weekday name for a date.")) == "weekday name"
    assert outcome(_tool("gcd", "Calculate the extended Euclidean algorithm for two numbers.")) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("startDate", "start date"),
        ("created_at", "creation time"),
        ("word2", "second word"),
        ("p1", "p1"),
        ("from", "'from' field"),
        ("iata", "IATA code"),
        ("filePath", "file path"),
        ("42", "value"),
    ],
)
def test_a_name_is_told_in_words_that_are_no_literals(name: str, expected: str) -> None:
    assert label(name) == expected
    assert slots(label(name)) == []


def test_units_are_taken_off_a_name_and_counts_are_not() -> None:
    assert with_unit("weight kg") == ("weight", "kg")
    assert with_unit("rate ml hr") == ("rate", "ml per hour")
    assert with_unit("business days") == ("business days", "")
    assert path_label(["route", "km"]) == "distance in km"


@pytest.mark.parametrize(
    "value",
    [
        'He said "no".',
        "SELECT * FROM t WHERE a = 'b' AND \"c\" > 3",
        "def f(x):\n    return x[0]\n\n# end",
        "“curly”",
        "[1, 2",
        "2025-04-23",
        "true",
        [[1, 2.5], ["a", 'b"c']],
        {"name": "Pen", "prices": [3, 4.0]},
        [],
    ],
)
def test_texts_code_and_arrays_are_stated_and_read_back(value: object) -> None:
    assert writable(value)
    assert difference([value], f"Please save it with body {written(value)}, then report the ID.") == ([], [])


def test_another_order_of_an_array_is_another_literal() -> None:
    assert difference([[1, 2]], "Take numbers [2, 1].") == ([[1, 2]], [[2, 1]])


@pytest.mark.parametrize("value", [" blank", "x" * 301, '"“«`', "bell\x07", ["x" * 400]])
def test_what_cannot_be_told_exactly_is_not_stated(value: object) -> None:
    assert not writable(value)


def test_a_pronoun_of_nothing_is_found() -> None:
    assert unresolved("Add it to the list. Report the ID.") == "it"
    assert unresolved("Use that date to find the weekday.") == "that"
    assert unresolved('Find the note "it". Report that note.') == ""
    assert unresolved('Get the user "ann" and report the city that the profile shows.') == ""


def test_frames_are_the_writers_own_words_around_masked_ones() -> None:
    found = frames('Please tell me the total price for "a cup". Report the city.', ["total price", "city"])
    assert found == {"please tell me the", "tell me the _", "me the _ for", "the _ for _"} - {"the _ for _"}
