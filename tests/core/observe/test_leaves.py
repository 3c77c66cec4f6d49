from __future__ import annotations

from typing import Any

import jsonpath
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.observe import find_all, json_path, json_pointer, leaves, pointer_steps, walk

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=20
)


@given(documents)
def test_every_leaf_path_finds_exactly_its_own_value_again(document: Any) -> None:
    for leaf in leaves(document):
        found = find_all(leaf.path, document)
        assert len(found) == 1
        assert found[0] is leaf.value or (found[0] == leaf.value and type(found[0]) is type(leaf.value))
        if not isinstance(document, str):  # which the library takes for the text of a document
            assert jsonpath.findall(leaf.path, document) == found


def test_a_string_is_a_document_of_its_own() -> None:
    assert find_all("$", "[1]") == ["[1]"]
    assert find_all("$.a", "0") == []


@given(st.dictionaries(st.text(max_size=6), documents, max_size=4))
def test_pointers_lead_to_the_same_values_as_paths(document: dict[str, Any]) -> None:
    for steps, value in walk(document):
        assert jsonpath.JSONPointer(json_pointer(steps), unicode_escape=False).resolve(document) is value
        assert pointer_steps(json_pointer(steps)) == tuple(str(step) for step in steps)


def test_plain_names_are_written_short_and_odd_ones_quoted() -> None:
    assert json_path(("items", 0, "id")) == "$.items[0].id"
    assert json_path(("odd key", "it's", "a\nb")) == r"$['odd key']['it\'s']['a\nb']"


def test_a_leaf_is_named_by_its_nearest_object_key() -> None:
    found = {leaf.path: leaf.name for leaf in leaves({"tags": ["x", ["y"]], "n": {"m": 1}})}
    assert found == {"$.tags[0]": "tags", "$.tags[1][0]": "tags", "$.n.m": "m"}
    assert leaves(5)[0].name == ""


def test_leaves_come_in_document_order_and_no_more_than_asked_for() -> None:
    assert [leaf.value for leaf in leaves({"a": [1, 2], "b": 3})] == [1, 2, 3]
    assert [leaf.value for leaf in leaves(list(range(100)), limit=3)] == [0, 1, 2]


def test_a_document_deeper_than_the_stack_is_walked() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert len(leaves(deep)) == 1
