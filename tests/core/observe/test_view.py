from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.observe import View, json_inside, result_text, result_view


def texts(*blocks: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": block} for block in blocks], **more}


def test_structured_content_is_the_view_whatever_the_text_says() -> None:
    result = texts("two items", structuredContent={"items": [1, 2]})
    assert result_view(result) == View("structured", {"items": [1, 2]})


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, [1, "x"], 42, -1.5, "quoted", True])
def test_text_that_is_one_json_document_is_read_as_json(value: Any) -> None:
    from firefly_mcp.jsonio import text

    assert result_view(texts("  " + text(value) + "\n")) == View("json", value)


def test_several_json_blocks_make_a_list_and_one_prose_block_among_them_makes_all_prose() -> None:
    assert result_view(texts('{"id": 1}', '{"id": 2}')) == View("json", [{"id": 1}, {"id": 2}])
    assert result_view(texts('{"id": 1}', "and more")).kind == "text"


def test_the_only_fenced_json_block_of_a_text_is_its_data() -> None:
    fenced = 'Here it is:\n\n```json\n{"price": 12}\n```\nEnjoy.'
    assert result_view(texts(fenced)) == View("json", {"price": 12})
    assert result_view(texts("```python\n[1]\n```")).kind == "text"
    assert result_view(texts("```json\n[1]\n```\n```json\n[2]\n```")).kind == "text"


def test_a_framework_wrapper_around_json_text_or_prose_is_opened_and_one_around_a_word_is_kept() -> None:
    assert result_view(texts('{"id": 7}', structuredContent={"result": '{"id": 7}'})) == View("json", {"id": 7})
    assert result_view(texts("All is well.", structuredContent={"result": "All is well."})) == View("text", "All is well.")
    assert result_view(texts("A1", structuredContent={"result": "A1"})) == View("structured", {"result": "A1"})
    assert result_view(texts("[1]", structuredContent={"result": [1]})) == View("structured", {"result": [1]})


@pytest.mark.parametrize("text", ["NaN", "1e999", "007", "{broken", "[" * 5000, "Hello"])
def test_text_that_is_not_proper_json_stays_text(text: str) -> None:
    assert result_view(texts(text)) == View("text", text)


@pytest.mark.parametrize(
    "result", [None, {}, {"content": []}, texts(""), {"content": "odd"}, {"content": [None, {"type": "image"}]}]
)
def test_a_result_that_says_nothing_is_empty(result: dict[str, Any] | None) -> None:
    assert result_view(result).kind == "empty"


def test_embedded_and_read_resources_are_read_like_text() -> None:
    embedded = {"content": [{"type": "resource", "resource": {"uri": "x:y", "text": '{"a": 1}'}}]}
    assert result_view(embedded) == View("json", {"a": 1})
    assert result_view({"contents": [{"uri": "x:y", "text": "plain words"}]}) == View("text", "plain words")


def test_a_text_view_is_the_text_that_regular_expressions_are_applied_to() -> None:
    result = texts("line one", "line two")
    assert result_view(result).value == result_text(result) == "line one\nline two"


def test_asking_for_json_where_there_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        json_inside("just words")


def test_yes_and_no_as_python_prints_them_are_data_and_the_words_in_prose_are_not() -> None:
    for said, read in (("True", True), (" False\n", False)):
        assert result_view(texts(said)).value is read
    assert result_view(texts("True north")).kind == "text"
    assert result_view(texts("2", "True")).value == [2, True]


def test_rows_that_python_printed_are_data() -> None:
    assert result_view(texts("[{'name': 'members', 'rows': 3, 'note': None}]")).value == [
        {"name": "members", "rows": 3, "note": None}
    ]
    assert result_view(texts("[('a', 1.5), ('b', True)]")).value == [["a", 1.5], ["b", True]]
    assert result_view(texts("{'ok': True}")).kind == "json"
    for words in ("[{'when': datetime.date(2026, 5, 7)}]", "['a', b'raw']", "{'a'", "[{'a': nan}]"):
        assert result_view(texts(words)).kind == "text"
