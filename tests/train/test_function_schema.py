from __future__ import annotations

import pytest

from firefly_mcp.errors import TaskError
from firefly_mcp.tasks.model import Task
from firefly_train.function_schema import FunctionSchema, answer_tool, function_schema, offered
from firefly_train.results import shown

NESTED = {
    "type": "object",
    "properties": {
        "filter": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 10},
    },
    "required": ["filter"],
}


def test_nothing_of_an_input_schema_is_lost() -> None:
    entry = function_schema({"name": "find", "inputSchema": NESTED})
    through_verl = FunctionSchema.model_validate(entry).model_dump(exclude_unset=True, exclude_none=True)
    assert through_verl["function"]["parameters"] == NESTED
    assert through_verl == entry


def test_a_tool_without_description_or_arguments_has_an_entry() -> None:
    entry = function_schema({"name": "ping"})
    assert entry["function"] == {"name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}}


def test_the_answer_channel_comes_last_and_takes_an_object(tasks: list[Task]) -> None:
    assert offered(tasks[0])[-1] == "submit_answer"
    assert answer_tool()["function"]["parameters"]["properties"]["answer"]["type"] == "object"


def test_a_tool_with_the_name_of_the_answer_channel_is_refused(tasks: list[Task]) -> None:
    with pytest.raises(TaskError, match="'submit_answer'"):
        offered(tasks[0].model_copy(update={"tools": ["submit_answer"]}))


def test_a_model_reads_structured_content_where_there_is_any_and_never_the_provenance() -> None:
    structured = {
        "content": [{"type": "text", "text": "hi"}],
        "structuredContent": {"a": 1},
        "_meta": {"firefly/match": "exact"},
    }
    assert shown(structured) == '{"a":1}'
    texts = {"content": [{"type": "text", "text": "one"}, {"type": "image", "data": "AAAA", "mimeType": "image/png"}]}
    assert shown(texts) == "one\n[image: image/png]"
