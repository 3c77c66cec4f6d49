"""Words of a tool's definition: a reader is believed only where nothing else in the definition speaks against it."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.state.verbs import VerbClass, verb_class
from firefly_mcp.types import Tool


def tool(name: str, description: str = "", **arguments: str) -> Tool:
    properties: dict[str, Any] = {key: {"type": kind} for key, kind in arguments.items()}
    return Tool("s", {"name": name, "description": description, "inputSchema": {"type": "object", "properties": properties}})


@pytest.mark.parametrize(
    "reader",
    [
        tool("list_notes", "List the notes.", tag="string"),
        tool("memory_bank_read", "Read a file.", fileName="string"),
        tool("get_order_status", "Get the status of an order.", order_id="string"),
        tool("read_query", "Execute a SELECT query on the database.", query="string"),
        tool("todo_tags_list", "List distinct tags used by todos in scope."),
        tool("convert_units", "Convert a value.", value="number", from_unit="string"),
        tool("add", "Add two numbers together.", a="number", b="number"),
        tool("sin", "Sine function.", expr="string"),
        tool("sort_numbers", "Sort a list of numbers.", numbers="array"),
        tool("geocode", "Returns the place of an address.", address="string"),
        tool("analyze_pdf", "Analyze a PDF. It never writes a file.", pdf_path="string"),
    ],
    ids=lambda t: t.name,
)
def test_these_read(reader: Tool) -> None:
    assert verb_class(reader)[0] is VerbClass.READ


@pytest.mark.parametrize(
    "writer",
    [
        tool("query", "Execute a query on the DuckDB database.", query="string"),
        tool("summarize_activity", "Summarize the history.", task_id="string", delete_raw="boolean"),
        tool("resolve_blocker", "Resolve a blocker.", task_id="string"),
        tool("sort_data", "Sort data by columns.", session_id="string"),
        tool("format_range", "Change the font of a range.", path="string"),
        tool("extract_archive", "Extracts an archive.", archive_path="string", extract_to="string"),
        tool("parse_url", "Fetch a page, extract its text and auto-create chunks.", url="string"),
        tool("get_and_delete", "Get the last item.", n="integer"),
        tool("find_formatted", "Find all occurrences of a text and replace them.", text="string"),
        tool("fit_columns", "Set table columns to fit.", filename="string"),
        tool("set_columns", "Set the number of columns.", columns="integer"),
        tool("delete_note", "Delete a note.", id="string"),
        tool("frobnicate", "Frobnicates."),
        tool("timer_fired", "List timers. If ack=true, also clear them.", ack="boolean"),
    ],
    ids=lambda t: t.name,
)
def test_these_may_write(writer: Tool) -> None:
    assert verb_class(writer)[0] is not VerbClass.READ
