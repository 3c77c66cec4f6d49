from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.graph import fillable, open_arguments
from firefly_mcp.graph.words import name_words, nouns, produces
from firefly_mcp.types import Tool


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("unit", {"enum": ["kg", "lb"]}),
        ("limit", {"type": "integer"}),
        ("day", {"type": "string", "format": "date"}),
        ("query", {"type": "string"}),
        ("user_id", {"type": "string", "examples": ["usr_1"]}),
        ("user_id", {"type": "string", "description": "The user id, such as 'sara_doe_496'"}),
        ("token", {"type": ["string", "null"], "default": None}),
        ("flags", {"type": "array", "items": {"type": "boolean"}}),
        ("size", {"type": "object", "properties": {"width": {"type": "number"}}, "required": ["width"]}),
        ("ref", {"anyOf": [{"type": "string"}, {"type": "null", "const": None}, {"enum": ["head"]}]}),
    ],
)
def test_arguments_that_the_schema_can_fill(name: str, schema: dict[str, Any]) -> None:
    assert fillable(schema, {}, name)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("user_id", {"type": "string"}),
        ("accountId", {"type": "integer"}),
        ("path", {"type": "string"}),
        ("items", {"type": "array", "items": {"$ref": "#/$defs/none"}}),
        ("order", {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}),
        ("thing", {}),
    ],
)
def test_arguments_that_only_another_answer_can_fill(name: str, schema: dict[str, Any]) -> None:
    assert not fillable(schema, {}, name)


def test_only_required_arguments_are_open() -> None:
    properties = {"user_id": {"type": "string"}, "note_id": {"type": "string"}, "limit": {"type": "integer"}}
    tool = Tool("a", {"name": "get", "inputSchema": {"properties": properties, "required": ["user_id", "limit", "ghost"]}})
    assert open_arguments(tool) == ["user_id", "ghost"]


def test_names_are_read_as_singular_words() -> None:
    assert name_words("getFlightNos") == ("get", "flight", "number")
    assert name_words("customer_ids") == ("customer", "id")
    assert name_words("HTTPStatusURL") == ("http", "status", "uri")
    assert name_words("categories") == ("category",)


def test_a_tools_name_tells_what_it_is_about_and_whether_it_gives_something_back() -> None:
    assert nouns("get_reservation_details") == ("reservation",)
    assert nouns("search") == ("search",)
    assert produces("list_users")
    assert produces("weather")
    assert not produces("delete_user")
