"""Silent tools are asked with other numbers than people round to, and with terms that hold a variable."""

from __future__ import annotations

from random import Random
from typing import Any

from firefly_agents.composing.anew import anew
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import ToolKey


def tool(**properties: Any) -> ToolInfo:
    return ToolInfo(ToolKey("maths", "ask"), "ask", "Ask.", {"type": "object", "properties": properties})


def many(of: ToolInfo, arguments: JsonObject, times: int = 60) -> list[JsonObject]:
    return [anew(of, arguments, Random(seed)) for seed in range(times)]


def test_numbers_range_widely_and_keep_to_the_schema() -> None:
    found = many(
        tool(n={"type": "integer"}, x={"type": "number"}, share={"type": "number", "minimum": 0, "maximum": 1}),
        {"n": 6, "x": 6.0, "share": 0.5},
    )
    assert all(isinstance(one["n"], int) and one["n"] >= 2 for one in found)
    assert max(one["n"] for one in found) > 300
    assert min(one["x"] for one in found) < 0 < max(one["x"] for one in found)
    assert any(not float(one["x"]).is_integer() for one in found)
    assert all(0 <= one["share"] <= 1 for one in found)
    assert len({one["share"] for one in found}) > 20


def test_lists_of_numbers_become_handfuls_also_where_the_schema_names_no_type() -> None:
    found = many(
        tool(numbers={"type": "array"}, rows={"type": "array", "items": {"type": "string"}}),
        {"numbers": ["example.org"], "rows": ["Oslo"]},
    )
    assert all(len(one["numbers"]) == 6 and all(isinstance(item, int | float) for item in one["numbers"]) for one in found)
    assert all(one["rows"] == ["Oslo"] for one in found)


def test_a_term_of_numbers_gets_a_variable_and_what_names_a_place_or_a_thing_stays() -> None:
    given = {"expr": "831 * 14 + 398", "row_index": 1, "user_id": 7, "note": "lamp", "flag": True}
    shapes = {"expr": "string", "row_index": "integer", "user_id": "integer", "note": "string", "flag": "boolean"}
    for one in many(tool(**{name: {"type": kind} for name, kind in shapes.items()}), given):
        assert "x" in one["expr"]
        assert {name: one[name] for name in given if name != "expr"} == {name: given[name] for name in given if name != "expr"}
