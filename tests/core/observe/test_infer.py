from __future__ import annotations

from typing import Any

import jsonpath
import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.observe import infer_fields, infer_schema


def answer(value: Any) -> dict[str, Any]:
    return {"content": [], "structuredContent": value}


def test_items_of_arrays_are_one_field_with_types_formats_and_examples() -> None:
    results = [
        answer({"items": [{"id": "A-17", "on": "2024-05-01", "n": 1}, {"id": "B-18", "on": "2024-06-02", "n": 2.5}]}),
        answer({"items": [{"id": "C-19", "on": "2024-07-03", "n": 3, "note": None}]}),
    ]
    fields = {field.path: field for field in infer_fields(results)}
    assert fields["$.items[*].id"].examples == ("A-17", "B-18", "C-19")
    assert fields["$.items[*].id"].parent == "items"
    assert fields["$.items[*].id"].seen == 2
    assert fields["$.items[*].on"].format == "date"
    assert fields["$.items[*].n"].types == ("integer", "number")
    assert fields["$.items[*].note"].types == ()


def test_keys_that_are_data_become_any_key() -> None:
    results = [answer({"cards": {"card_4421486": {"brand": "visa"}, "card_1955700": {"brand": "other"}}})]
    (field,) = infer_fields(results)
    assert field.path == "$.cards[*].brand"
    assert jsonpath.findall(field.path, results[0]["structuredContent"]) == ["visa", "other"]


def test_a_field_that_only_repeats_the_arguments_is_an_echo() -> None:
    results = [answer({"id": "usr_1", "name": "Ada"}), answer({"id": "usr_2", "name": "Blaise"})]
    fields = {field.name: field for field in infer_fields(results, [{"id": "usr_1"}, {"id": "usr_2"}])}
    assert fields["id"].echo
    assert not fields["name"].echo
    assert not any(field.echo for field in infer_fields(results))


def test_prose_has_no_fields_and_no_schema() -> None:
    prose = [{"content": [{"type": "text", "text": "All is well."}]}]
    assert infer_fields(prose) == []
    assert infer_schema(prose) == {}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
objects = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    min_size=1,
    max_size=4,
)


@given(st.lists(objects, min_size=1, max_size=5))
def test_every_result_fits_the_schema_that_was_inferred_from_it(values: list[dict[str, Any]]) -> None:
    from firefly_mcp.observe import result_view

    results = [answer(value) for value in values]
    schema = infer_schema(results)
    jsonschema.Draft202012Validator.check_schema(schema)
    for result in results:
        jsonschema.Draft202012Validator(schema).validate(result_view(result).value)


@given(st.lists(objects, min_size=1, max_size=4))
def test_every_field_path_finds_its_examples_in_some_result(values: list[dict[str, Any]]) -> None:
    from firefly_mcp.observe import result_view

    views = [result_view(answer(value)).value for value in values]
    for field in infer_fields([answer(value) for value in values]):
        found = [item for view in views for item in jsonpath.findall(field.path, view)]
        assert all(example in found for example in field.examples)
