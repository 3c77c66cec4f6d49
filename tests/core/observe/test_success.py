from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.jsonio import text
from firefly_mcp.observe import is_success, told_error


def says(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], "isError": False}


@pytest.mark.parametrize(
    "words",
    [
        "Error: no such user",
        "**Error**: it broke",
        "Error executing tool add: bad input",
        "An error occurred while reading the file",
        "ValueError: invalid literal",
        "Traceback (most recent call last):\n  File ...",
        "Failed to open workbook",
        "Could not find the sheet",
        "❌ Upload refused",
        "Database error: no such table: nowhere",
        "1 validation error for add",
        "Unknown tool: frobnicate",
        "User nobody not found",
        "Permission denied: /etc/shadow",
        "Invalid row index. The table has 5 rows (0-4).",
        "Invalid alignment. Valid options: top, center, bottom",
        "Unknown maker 'acme'; it must be one of: ibm, dell",
        "Must provide either an id or a text",
        "Text 'due at noon' not found in document",
        "Paragraph not found (by index or text). (Headings are skipped)",
        "Format 'long' not found. Available formats: short, wide",
        "ToolError tool=plan code=ValueError | message=out of range",
        "Checking notes.md ...\n\n  Error: notes.md is empty",
    ],
)
def test_an_error_told_in_prose_is_an_error(words: str) -> None:
    assert told_error(says(words))


@pytest.mark.parametrize(
    "words",
    [
        "Standard error: 0.42",
        "Errors were found in none of the 3 files",
        "No results found",
        "0 rows",
        "Unknown words were marked. 3 lines were kept.",
        "Rows: 3\nStandard error: 0.2",
        "The word 'error' occurs twice.",
        "Found 3 failed payments:\n- p1\n- p2\n- p3",
        "",
    ],
)
def test_an_answer_that_only_speaks_of_errors_or_of_nothing_found_is_none(words: str) -> None:
    assert not told_error(says(words))


@pytest.mark.parametrize(
    "data",
    [
        {"error": "no such id"},
        {"error": {"code": 404}},
        {"success": False, "message": "x"},
        {"ok": False, "data": {"a": 1}},
        {"status": "error", "detail": "x"},
        {"result": "Error: nope"},
        {"errors": ["a", "b"]},
        [{"error": "x"}],
    ],
)
def test_an_error_told_in_data_is_an_error_in_either_form(data: Any) -> None:
    assert told_error(says(text(data)))
    assert told_error({"content": [], "structuredContent": data}) or isinstance(data, list)


@pytest.mark.parametrize(
    "data",
    [
        {"error": None, "rows": [1]},
        {"error": "", "rows": [1]},
        {"error": 0.03, "estimate": 4.2},
        {"status": "failed", "payment_id": "p_1"},
        {"valid": False, "errors": ["row 3: no date"], "rows": 12},
        [],
        [{"error": "x"}, {"id": 1}],
    ],
)
def test_data_about_errors_is_an_answer(data: Any) -> None:
    assert not told_error(says(text(data)))


def test_the_flag_counts_and_so_does_no_answer_at_all() -> None:
    assert told_error({"content": [], "isError": True})
    assert told_error(None)


def test_only_an_answered_call_without_any_error_succeeded(make_call: Any) -> None:
    assert is_success(make_call("get", {}, {"id": 1}))
    assert not is_success(make_call("get", {}, {"id": 1}, status="interrupted"))
    assert not is_success(make_call("get", {}, {"id": 1}, is_error=True))
    assert not is_success(make_call("get", {}, {"id": 1}, error={"code": -32602, "message": "x"}))
    assert not is_success(make_call("get", {}, "Error: x"))
