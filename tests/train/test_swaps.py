from __future__ import annotations

import random

import pytest

from firefly_train.swaps import OtherValues, Swaps, swappable, whole


def test_a_value_is_swapped_where_it_stands_as_a_whole_and_a_number_stays_a_number() -> None:
    swaps = Swaps({"12": "57", "2025-05-23": "7071-01-74", "ord-1": "ord-9"})
    assert swaps.text("12 of 112, 12.5 and 12") == "57 of 112, 12.5 and 57"
    assert swaps.json({"page": 12, "day": "2025-05-23", "ids": ["ord-1", "ord-12"]}) == {
        "page": 57,
        "day": "7071-01-74",
        "ids": ["ord-9", "ord-12"],
    }
    assert Swaps({}).json({"page": 12}) == {"page": 12}


def test_a_longer_value_goes_before_one_that_begins_it() -> None:
    swaps = Swaps({"New York": "Old Kent", "New York City": "Low Moor End"})
    assert swaps.text("New York City, New York") == "Low Moor End, Old Kent"


def test_a_word_of_the_request_and_a_fields_name_are_no_values() -> None:
    swaps = Swaps({"end": "plant", "ORD": "XYZ"})
    assert swaps.text('the end date for "end"') == 'the end date for "plant"'
    assert swaps.json({"end": "end", "ORD": "ORD"}) == {"end": "plant", "ORD": "XYZ"}
    assert swaps.text('{\\"end\\": \\"end\\"}') == '{\\"end\\": \\"plant\\"}'
    assert whole("Ada").search("Dear Ada,")


@pytest.mark.parametrize(
    ("value", "can"), [("ada@example.org", True), (41.5, True), (7, False), (True, False), (None, False), ('say "so"', False)]
)
def test_what_can_be_swapped(value: object, can: bool) -> None:
    assert swappable(value) is can


def test_values_of_one_form_stay_in_order_and_alike_values_stay_alike() -> None:
    others = OtherValues(["delivery", "synonym", "harbour", "Independence Day"])
    rng, kept = random.Random(4), 0
    dates = ["2025-05-23", "2025-05-26"]
    words = ["begin", "neutral", "sad"]
    for _ in range(200):
        found = others.of([*dates, *words, "Labour Day"], rng, ordered=True)
        assert all(len(found[value]) == len(value) for value in dates)
        assert [found[word] for word in words] == sorted(found[word] for word in words)
        assert found["Labour Day"][0].isupper()
        first, second = (found[value] for value in dates)
        kept += first[:9] == second[:9] and first != second
    assert 100 < kept < 180
