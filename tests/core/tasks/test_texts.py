"""Values in prose results, and the selections that find them again."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.tasks.texts import written_values

REPORT = """\
Payroll summary

- **Gross salary**: $92,500.00
  Social security (6.2%):    $5,735.00
  Growth: 6.50%
  Term: 30 years
  Status: under review
  Note: this is only an estimate.
"""
TABLE = """\
| Planet | Moons | Discovered |
|---|---:|---|
| Mars | 2 | 1877-08-18 |
| Saturn | 146 | 1655-03-25 |
"""


def result(text: str) -> JsonObject:
    return {"content": [{"type": "text", "text": text}]}


def found(text: str) -> dict[str, Any]:
    return {item.label: item.value for item in written_values(text)}


def test_labelled_lines_give_numbers_without_signs_and_units_and_short_texts() -> None:
    assert found(REPORT) == {"gross salary": 92500, "growth": 6.5, "term": 30, "status": "under review"}


def test_a_row_of_a_table_is_named_by_its_first_cell() -> None:
    moons = [item for item in written_values(TABLE) if item.label == "moons"]
    assert [(item.select["where"], item.value) for item in moons] == [
        ([{"field": "$.planet", "equals": "Mars"}], 2),
        ([{"field": "$.planet", "equals": "Saturn"}], 146),
    ]


@pytest.mark.parametrize("text", [REPORT, TABLE, "Point(3, 4)", "Total: 42\nTotal: 42\nName: Ann"])
def test_every_selection_finds_its_value_again(text: str) -> None:
    items = written_values(text)
    assert items
    assert [select(result(text), item.select) for item in items] == [item.value for item in items]


def test_a_label_with_two_values_names_none() -> None:
    assert found("Size: 10 kg\nSize: 20 kg\nColour: green") == {"colour": "green"}


def test_a_line_that_says_what_was_done_is_offered_where_there_is_nothing_else() -> None:
    assert found("Heading added to report.docx") == {"message": "Heading added to report.docx"}
    assert found("Heading added\nLevel: 2") == {"level": 2}


@pytest.mark.parametrize("text", ["No matches found", "Error: out of range", "Done.", "Invalid row index. Table has 5 rows."])
def test_what_did_not_work_is_no_value(text: str) -> None:
    assert written_values(text) == ()


def test_a_number_in_a_text_is_read_as_one_when_the_selection_says_so() -> None:
    text = result("Price: 1,234.50 EUR")
    assert select(text, {"regex": r"Price: ([\d,.]+)", "as": "number"}) == 1234.5
    assert select(text, {"regex": r"Price: ([\d,.]+)"}) == "1,234.50"
    with pytest.raises(SelectionError, match="not a number"):
        select(text, {"regex": r"(Price)", "as": "number"})


def test_a_number_is_written_as_text_when_the_selection_says_so() -> None:
    assert select({"structuredContent": {"id": 17.0}}, {"path": "$.id", "only": True, "as": "text"}) == "17"
