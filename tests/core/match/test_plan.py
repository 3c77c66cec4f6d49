"""Plans hash what identifies a call, under the user's rules and what the recording shows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.match.observe import observed_kinds
from firefly_mcp.match.plan import free_texts, identity_hash, match_hashes, normalize, normalized_hash
from firefly_mcp.match.rules import ToolRules

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "hotel": {"type": "string"},
        "arrival_date": {"type": "string"},
        "guests": {"type": "number", "default": 1},
        "path": {"type": "string"},
        "comment": {"type": "string"},
        "rooms": {"type": "array", "items": {"type": "object", "properties": {"note": {"type": "string"}}}},
        "search_type": {"type": "string"},
    },
}
CALL = {"hotel": "H1", "arrival_date": "2024-01-05", "path": "a/b", "comment": "a quiet room, please"}


def test_names_tell_kinds_where_schemas_say_string_only() -> None:
    other = {"hotel": "H1", "arrival_date": "Jan 5, 2024", "path": "./a//b", "comment": "a quiet  room, please ", "guests": "1"}
    assert normalized_hash("t", other, SCHEMA) == normalized_hash("t", CALL, SCHEMA)


def test_a_change_of_what_identifies_changes_the_identity_and_a_change_of_words_does_not() -> None:
    same = identity_hash("t", CALL, SCHEMA)
    assert identity_hash("t", {**CALL, "comment": "please, a calm room"}, SCHEMA) == same
    for change in (
        {"hotel": "H2"},
        {"arrival_date": "2024-01-06"},
        {"guests": 2},
        {"path": "a/c"},
        {"comment": "two quiet rooms"},
        {"search_type": "city"},
    ):
        assert identity_hash("t", {**CALL, **change}, SCHEMA) != same, change
    assert identity_hash("u", CALL, SCHEMA) != same


def test_free_texts_are_named_by_pointer_also_inside_lists() -> None:
    call = {**CALL, "rooms": [{"note": "near the lift"}, {"note": "far from it"}]}
    assert free_texts(call, SCHEMA) == {
        "/comment": "a quiet room, please",
        "/rooms/0/note": "near the lift",
        "/rooms/1/note": "far from it",
    }


def test_rules_ignore_arguments_and_set_kinds() -> None:
    rules = ToolRules(
        ignore=frozenset({"/trace", "/rooms/*/note"}),
        kinds={"/hotel": ArgumentKind.FREE_TEXT, "/comment": ArgumentKind.IDENTIFYING},
    )
    call = {**CALL, "rooms": [{"note": "near the lift"}]}
    other = {**CALL, "trace": "z9", "rooms": [{"note": "anywhere"}]}
    assert match_hashes("t", other, SCHEMA, rules) == match_hashes("t", call, SCHEMA, rules)
    assert free_texts(call, SCHEMA, rules) == {"/hotel": "H1"}
    assert identity_hash("t", {**call, "comment": "other words"}, SCHEMA, rules) != identity_hash("t", call, SCHEMA, rules)


def test_kinds_of_numbers_told_by_a_rule_are_read_as_numbers() -> None:
    rules = ToolRules(kinds={"/hotel": ArgumentKind.NUMBER})
    assert normalized_hash("t", {"hotel": "1,200"}, SCHEMA, rules) == normalized_hash("t", {"hotel": 1200}, SCHEMA, rules)
    assert normalized_hash("t", {"hotel": "1,200"}, SCHEMA) != normalized_hash("t", {"hotel": 1200}, SCHEMA)


def test_recorded_values_decide_where_neither_schema_nor_name_says() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in ("when", "cabin", "wish", "q", "city")}}
    calls = [
        {
            "when": f"2024-01-0{number}",
            "cabin": ("ECONOMY", "BUSINESS", "FIRST")[number % 3],
            "wish": f"a table near the {place} please",
            "q": f"x-{number}",
            "city": place,
        }
        for number, place in enumerate(["window", "door", "wall", "bar", "sea", "fire"], start=1)
    ]
    shown = observed_kinds(calls, schema)
    assert shown == {
        "/when": ArgumentKind.DATE,
        "/cabin": ArgumentKind.CODE,
        "/wish": ArgumentKind.FREE_TEXT,
        "/q": ArgumentKind.CODE,
    }
    rules = ToolRules(observed=shown)
    assert normalize({"when": "5 January 2024"}, schema, rules) == {"when": "2024-01-05"}
    assert normalize({"when": "5 January 2024"}, schema) == {"when": "5 January 2024"}
    assert free_texts({"wish": "a quiet table"}, schema, rules) == {"/wish": "a quiet table"}


def test_too_few_recorded_values_decide_nothing() -> None:
    schema = {"type": "object", "properties": {"when": {"type": "string"}}}
    assert observed_kinds([{"when": "2024-01-05"}, {"when": "2024-01-06"}], schema) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other", "url", "start_time"]), JSON, max_size=6))
def test_any_arguments_have_one_normal_form_and_hashes_that_follow_from_it(arguments: dict[str, Any]) -> None:
    once = normalize(arguments, SCHEMA)
    assert normalize(once, SCHEMA) == once
    assert match_hashes("t", once, SCHEMA) == match_hashes("t", arguments, SCHEMA)
    assert free_texts(once, SCHEMA) == free_texts(arguments, SCHEMA)
