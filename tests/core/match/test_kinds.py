"""A value is identifying unless schema, name and form together say that it is free text."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.match.kinds import ArgumentKind, argument_kind
from firefly_mcp.match.plan import identity_hash

IDENTIFYING = [
    ("user_id", {"type": "string"}, "ann"),
    ("city", {"type": "string"}, "Paris"),
    ("date", {"type": "string"}, "2026-03-04"),
    ("text", {"type": "string", "enum": ["long text here", "b"]}, "long text here"),
    ("amount", {"type": "number"}, 4),
    ("query", {"type": "string"}, "A12"),
    ("file_path", {"type": "string"}, "my notes of a long day.txt"),
]
FREE_TEXT = [
    ("description", {"type": "string"}, "a red car near the bridge"),
    ("query", {"type": "string"}, "cheap hotels"),
    ("searchQuery", {"type": "string"}, "hotels"),
    ("s", {"type": "string"}, "find me a quiet place to read"),
]


@pytest.mark.parametrize(("name", "schema", "value"), IDENTIFYING)
def test_identifying(name: str, schema: Any, value: Any) -> None:
    assert argument_kind(name, schema, value).identifying


@pytest.mark.parametrize(("name", "schema", "value"), FREE_TEXT)
def test_free_text(name: str, schema: Any, value: Any) -> None:
    assert argument_kind(name, schema, value) is ArgumentKind.FREE_TEXT


def test_calls_that_differ_in_wording_share_an_identity_and_those_that_differ_in_a_number_do_not() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "comment": {"type": "string"}}}

    def of(id_: str, comment: str) -> str:
        return identity_hash("t", {"id": id_, "comment": comment}, schema)

    assert of("x1", "please paint it red") == of("x1", "paint it in red, please")
    assert of("x1", "please paint it red") != of("x2", "please paint it red")
    assert of("x1", "paint 3 walls in red") != of("x1", "paint 4 walls in red")
