"""Each normalization rule acts only where the schema, or JSON itself, says that two forms mean the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.match.comparers import RULE_NAMES
from firefly_mcp.match.plan import normalize, normalized_hash
from firefly_mcp.match.rules import ToolRules

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer", "default": 10},
        "ratio": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "flag": {"type": "boolean"},
        "unit": {"$ref": "#/$defs/Unit"},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "link": {"type": "string", "format": "uri"},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "steps": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["name"],
    "$defs": {"Unit": {"type": "string", "enum": ["km", "mi"]}},
}

SAME = [
    ("trim_strings", {"name": " Zoë "}, {"name": "Zoe\u0308"}),
    ("fill_defaults", {"name": "a"}, {"name": "a", "count": 10}),
    ("drop_empty", {"name": "a", "tags": [], "ratio": None}, {"name": "a"}),
    ("coerce_numbers", {"name": "a", "count": "7"}, {"name": "a", "count": 7.0}),
    ("coerce_booleans", {"name": "a", "flag": "True"}, {"name": "a", "flag": True}),
    ("fold_enums", {"name": "a", "unit": "KM"}, {"name": "a", "unit": "km"}),
    ("parse_dates", {"name": "a", "day": "20260504"}, {"name": "a", "day": "2026-05-04"}),
    ("parse_moments", {"name": "a", "at": "2026-05-04T12:00:00+02:00"}, {"name": "a", "at": "2026-05-04T10:00:00Z"}),
    ("parse_uris", {"name": "a", "link": "HTTPS://Example.org"}, {"name": "a", "link": "https://example.org/"}),
    ("sort_unique_items", {"name": "a", "tags": ["y", "x"]}, {"name": "a", "tags": ["x", "y"]}),
]

DIFFERENT = [
    ({"name": "A"}, {"name": "a"}),
    ({"name": "5"}, {"name": 5}),
    ({"name": "a", "steps": [1, 2]}, {"name": "a", "steps": [2, 1]}),
    ({"name": "a", "count": 7}, {"name": "a", "count": 8}),
    ({"name": "a", "flag": False}, {"name": "a"}),
    ({"name": ""}, {}),
    ({"name": "a", "count": "seven"}, {"name": "a", "count": 7}),
]


@pytest.mark.parametrize(("rule", "left", "right"), SAME, ids=[row[0] for row in SAME])
def test_a_rule_makes_equal_what_means_the_same_and_can_be_switched_off(rule: str, left: Any, right: Any) -> None:
    assert rule in RULE_NAMES
    assert normalized_hash("t", left, SCHEMA) == normalized_hash("t", right, SCHEMA)
    rules = ToolRules(off=frozenset({rule}))
    assert normalized_hash("t", left, SCHEMA, rules) != normalized_hash("t", right, SCHEMA, rules)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_what_may_mean_something_else_stays_different(left: Any, right: Any) -> None:
    assert normalized_hash("t", left, SCHEMA) != normalized_hash("t", right, SCHEMA)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), JSON, max_size=6))
def test_normal_form_is_its_own_normal_form(arguments: dict[str, Any]) -> None:
    once = normalize(arguments, SCHEMA)
    assert normalize(once, SCHEMA) == once
