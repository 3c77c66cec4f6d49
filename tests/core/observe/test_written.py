from __future__ import annotations

import re
from typing import Any

import pytest

from firefly_mcp.graph import build_graph
from firefly_mcp.observe import infer_fields
from firefly_mcp.observe.written import written_fields
from firefly_mcp.types import Tool, ToolKey

TABLE = """Found 2 orders:

| Order ID | Customer | Total |
| --- | :---: | ---: |
| ORD-5510 | Nora Lind | 412.50 |
| **ORD-5511** | Ada Byron | 18 |
"""
PAIRS = """## Ticket
- **Ticket ID:** T-88317
- **Assignee:** Nora Lind
- Created: 2024-03-05 10:12
"""


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def test_the_cells_of_a_markdown_table_are_fields_of_its_columns() -> None:
    found = written_fields(TABLE)
    assert [(item.name, item.value) for item in found[:3]] == [
        ("Order ID", "ORD-5510"),
        ("Customer", "Nora Lind"),
        ("Total", 412.5),
    ]
    assert found[3].value == "ORD-5511"


def test_lines_of_key_and_value_are_fields() -> None:
    assert {item.name: item.value for item in written_fields(PAIRS)} == {
        "Ticket ID": "T-88317",
        "Assignee": "Nora Lind",
        "Created": "2024-03-05 10:12",
    }


@pytest.mark.parametrize("source", [TABLE, PAIRS])
def test_the_pattern_of_a_field_finds_its_value_in_the_text(source: str) -> None:
    for item in written_fields(source):
        cells = [re.sub(r"[*_`]", "", value) for value in re.findall(item.regex, source)]
        assert str(item.value) in [cell.removesuffix("0") if "." in cell else cell for cell in cells] + cells


@pytest.mark.parametrize(
    "prose",
    [
        "Note: the parcel was sent. It will arrive soon.\nWe wish you a nice day.\nPlease mind: nothing else is known.",
        "Only one: thing",
        "a | b\nno rule under it | at all",
        "",
        "See https://example.org/a: it has all that you need\nand more: really",
    ],
)
def test_prose_that_is_in_doubt_has_no_fields(prose: str) -> None:
    assert written_fields(prose) == []


def test_fields_of_prose_results_have_types_and_echoes_like_any_other() -> None:
    fields = {field.name: field for field in infer_fields([text(TABLE)], [{"customer": "Nora Lind"}])}
    assert fields["Total"].types == ("integer", "number")
    assert fields["Order ID"].path.startswith("(?m)")
    alone = infer_fields([text(PAIRS)], [{"ticket": "T-88317"}])
    assert {field.name for field in alone if field.echo} == {"Ticket ID"}


def test_a_column_of_a_table_feeds_an_argument_of_that_name(make_call: Any) -> None:
    schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    tools = [
        Tool("shop", {"name": "list_orders", "inputSchema": {"type": "object"}}),
        Tool("shop", {"name": "cancel", "inputSchema": schema}),
    ]
    graph = build_graph(tools, [make_call("list_orders", {}, TABLE)])
    found = graph.by_key[ToolKey("shop", "list_orders"), ToolKey("shop", "cancel"), "order_id"]
    assert found.evidence["schema"]["fit"] > 0.9
    assert "regex" in found.evidence["schema"]
