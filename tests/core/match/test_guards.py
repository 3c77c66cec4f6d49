"""Guards refuse pairs of texts that an embedding would take for one, and let pass what only says the same otherwise."""

from __future__ import annotations

import pytest

from firefly_mcp.match.guards import GUARDS, refused

SAME = [
    ("cheap hotels in Paris", "Paris cheap hotels"),
    ("cheap hotels in Paris", "Could you show me inexpensive hotels in Paris, please?"),
    ("flights from Paris to Rome", "flights to Rome from Paris"),
    ("from Oslo Airport to Rome Airport by train", "by train from Oslo Airport to Rome Airport"),
    ("Sydney Opera House", "the Opera House, Sydney"),
    ("Sydney Opera House", "SYDNEY OPERA HOUSE"),
    ("São Paulo", "sao paulo"),
    ("do not send the report to Anna", "Don't send the report to Anna"),
    ("tickets for two children", "tickets for 2 kids"),
    ("parks close to the station", "parks near the station"),
    ("cats and dogs", "dogs and cats"),
    ("3 adults and 2 children", "2 kids and 3 adults"),
    ("seats on the St. Pancras boat tour", "seats on the boat tour of St. Pancras"),
]
OTHER = [
    ("same_numerals", "3 rooms", "4 rooms"),
    ("same_numerals", "two rooms", "three rooms"),
    ("same_numerals", "the 2018 report", "the 2022 report"),
    ("same_negation", "hotels with a pool", "hotels without a pool"),
    ("same_negation", "send it to Anna", "do not send it to Anna"),
    ("same_negation", "call Ben", "never call Ben"),
    ("same_entities", "hotels in Oslo", "hotels in Bergen"),
    ("same_entities", "flights to rome", "flights to nice"),
    ("same_entities", "a letter to Anna", "a letter to Boris"),
    ("same_entities", "Paris", "Paris Texas"),
    ("no_antonyms", "cheap hotels", "expensive hotels"),
    ("no_antonyms", "open before noon", "open after noon"),
    ("no_antonyms", "happy guests", "unhappy guests"),
    ("no_antonyms", "create the event", "delete the event"),
    ("same_content", "a red car", "a blue car"),
    ("same_content", "book breakfast", "book dinner"),
    ("same_content", "a C++ course", "a C course"),
    ("same_content", "cats and dogs", "cats or dogs"),
    ("same_content", "hotels with a pool", "hotels"),
    ("same_roles", "flights from Paris to Rome", "flights from Rome to Paris"),
    ("same_roles", "Alice owes Bob money", "Bob owes Alice money"),
    ("same_roles", "convert euros to dollars", "convert dollars to euros"),
    ("same_roles", "dog bites man", "man bites dog"),
    ("same_roles", "3 adults and 2 children", "2 adults and 3 children"),
    ("same_roles", "flight 12 on May 3", "flight 3 on May 12"),
    ("same_roles", "cafes in hotels", "hotels in cafes"),
    ("same_roles", "tell Anna that Ben won", "tell Ben that Anna won"),
    ("same_roles", "books by Anna for Ben", "books by Ben for Anna"),
    ("same_roles", "patients with cancer but not diabetes", "patients with diabetes but not cancer"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_request_in_other_words_passes_both_ways(left: str, right: str) -> None:
    assert refused(left, right) == ""
    assert refused(right, left) == ""


@pytest.mark.parametrize(("guard", "left", "right"), OTHER)
def test_another_request_is_refused_both_ways_by_the_guard_that_is_for_it(guard: str, left: str, right: str) -> None:
    assert not GUARDS[guard](left, right)
    assert not GUARDS[guard](right, left)
    assert refused(left, right)


@pytest.mark.parametrize("text", ["", "…", "the", "Ünïcödé 雪", "a\nb", "-5 °C", "x" * 5000])
def test_every_text_passes_for_itself(text: str) -> None:
    assert all(guard(text, text) for guard in GUARDS.values())
