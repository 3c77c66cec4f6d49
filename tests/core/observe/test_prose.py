from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.observe import regex_for, result_view, values_in

REPORT = """# Booking
**Reference**: BK-99231 for Nora Lind, total 1520.75 EUR
| id | name |
|---|---|
| 17 | Ann Lee |
| 2318 | Bo Dahl |
Written to `/tmp/out/report_7.csv` on 2024-05-01; contact 'Jo Doe' at jo@example.org.
- red wool, 50 g
"""


def test_prose_offers_what_its_writing_sets_apart() -> None:
    found = {item.value for item in values_in(REPORT)}
    assert {
        "BK-99231",
        "1520.75",
        "Ann Lee",
        "2318",
        "/tmp/out/report_7.csv",
        "2024-05-01",
        "Jo Doe",
        "jo@example.org",
    } <= found
    assert "red wool, 50 g" in found
    assert not {"for", "contact", "wool"} & found


def test_parts_of_dates_and_codes_are_not_numbers_of_their_own() -> None:
    assert not {"2024", "99231", "05", "01"} & {item.value for item in values_in(REPORT)}


def test_each_value_of_a_report_is_found_again_by_its_surroundings() -> None:
    for item in values_in(REPORT):
        regex = regex_for(REPORT, item)
        if regex:
            match = re.search(regex, REPORT)
            assert match is not None
            assert match.group(1) == item.value
            assert re.compile(regex).groups == 1
    wanted = {"BK-99231", "1520.75", "2318", "Bo Dahl", "Jo Doe", "2024-05-01"}
    assert wanted <= {item.value for item in values_in(REPORT) if regex_for(REPORT, item)}


def test_the_pattern_reads_the_same_place_of_a_similar_text() -> None:
    total = next(item for item in values_in(REPORT) if item.value == "1520.75")
    other = REPORT.replace("1520.75", "88.5").replace("BK-99231", "BK-10007")
    match = re.search(regex_for(REPORT, total), other)
    assert match is not None
    assert match.group(1) == "88.5"


@given(
    st.lists(
        st.sampled_from(["total", "id", ":", "=", "|", "\n", " ", "**", "'", "A-17", "12.5", "Ann Lee", "x", "- "]), max_size=40
    )
)
def test_any_text_gives_values_where_they_stand_and_patterns_that_hold(parts: list[str]) -> None:
    text = "".join(parts)
    for item in values_in(text):
        assert text[item.start : item.end] == item.value
        regex = regex_for(text, item)
        match = re.search(regex, text) if regex else None
        assert not regex or (match is not None and match.group(1) == item.value)


@pytest.mark.parametrize(
    "text", ["```json\n" * 20_000, " " * 200_000, "*" * 100_000, "a." * 100_000, "| " * 100_000, "a: x" + " " * 100_000 + "y"]
)
def test_text_made_to_stall_a_pattern_is_read_like_any_other(text: str) -> None:
    assert result_view({"content": [{"type": "text", "text": text}]}).kind in ("text", "empty")
    for item in values_in(text)[-3:]:
        regex_for(text, item)
