"""Selections of one value in lists within lists."""

from __future__ import annotations

from typing import Any

from firefly_mcp.observe import View, result_view, walk
from firefly_mcp.tasks.selection import select, selection_for

ORDERS: Any = {
    "orders": [
        {"id": 1, "lines": [{"sku": "lamp-3", "price": 40.5}, {"sku": "kettle-1", "price": 18.25}]},
        {"id": 2, "lines": [{"sku": "desk-7", "price": 240.75}]},
    ]
}


def test_an_item_of_inner_lists_is_told_from_those_of_all() -> None:
    chosen = selection_for(View("structured", ORDERS), ("orders", 0, "lines", 1, "price"))
    assert chosen == {"path": "$.orders[*].lines[*]", "where": [{"field": "$.sku", "equals": "kettle-1"}], "take": "$.price"}


def test_an_inner_list_of_one_is_told_by_its_outer_item() -> None:
    rows = {"rows": [{"name": "Ann", "marks": [17]}, {"name": "Ben", "marks": [17]}]}
    chosen = selection_for(View("structured", rows), ("rows", 1, "marks", 0))
    assert chosen == {"path": "$.rows[*]", "where": [{"field": "$.name", "equals": "Ben"}], "take": "$.marks[*]"}


def test_a_value_that_nothing_tells_from_another_has_no_selection() -> None:
    assert selection_for(View("structured", {"rows": [{"a": [1, 2]}, {"a": [1, 2]}]}), ("rows", 0, "a", 0)) is None


def test_every_selection_made_finds_its_place() -> None:
    result = {"structuredContent": ORDERS}
    view = result_view(result)
    places = [(steps, value) for steps, value in walk(view.value) if not isinstance(value, dict | list)]
    chosen = [(selection_for(view, steps), value) for steps, value in places]
    assert len([selection for selection, _ in chosen if selection]) == 6  # nothing tells the two orders apart but their numbers
    assert all(select(result, selection) == value for selection, value in chosen if selection)
