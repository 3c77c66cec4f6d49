from __future__ import annotations

import json
from pathlib import Path

import pytest

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Source, Task
from firefly_train.dataset import export_chat, export_verl, require_training, row, split_rows
from firefly_train.demonstrations import demonstrate
from firefly_train.sharegpt import export_sharegpt


def test_a_row_names_its_agent_its_tools_and_its_label(tasks: list[Task]) -> None:
    made = row(tasks[0], 4)
    assert made["agent_name"] == "firefly"
    assert made["extra_info"]["tool_selection"] == ["list_hours", "find_customer", "list_orders", "submit_answer"]
    assert made["extra_info"]["index"] == 4
    assert made["extra_info"]["need_tools_kwargs"] is True
    assert loads(made["reward_model"]["ground_truth"])["answer"] == {"total": 41.5}


def test_the_prompt_states_the_day_and_the_fields_and_not_the_answer(tasks: list[Task]) -> None:
    system, user = row(tasks[0], 0)["prompt"]
    assert "2026-03-02" in system["content"]
    assert "total (number): the total" in system["content"]
    assert user["content"] == tasks[0].request
    assert "41.5" not in system["content"] + user["content"]


def test_rows_are_kept_apart_by_split(tasks: list[Task]) -> None:
    rows = split_rows(tasks)
    assert {split: len(found) for split, found in rows.items()} == {"train": 3, "test": 1}
    assert [found["extra_info"]["index"] for found in rows["train"] + rows["test"]] == [0, 1, 2, 3]


def test_a_set_without_training_tasks_is_refused(tasks: list[Task]) -> None:
    with pytest.raises(TaskError, match=r"nothing to train on; there are 0 of 'train', 1 of 'test'"):
        require_training(split_rows(tasks[3:]))


def test_parquet_gives_the_rows_back(tasks: list[Task], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert export_verl(tasks, tmp_path / "out") == {"train": 3, "test": 1}
    back = parquet.read_table(tmp_path / "out" / "train.parquet").to_pylist()
    assert back == split_rows(tasks)["train"]


def test_a_chat_follows_the_plan_through_the_recording(tasks: list[Task], recording: Recording, tmp_path: Path) -> None:
    assert export_chat(demonstrate(tasks, recording), tmp_path) == {"train": 3, "test": 1}
    line = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[1])
    assert [message["role"] for message in line["messages"]] == [
        "system",
        "user",
        *["assistant", "tool"] * 2,
        "assistant",
    ]
    calls = [message["tool_calls"][0] for message in line["messages"] if "tool_calls" in message]
    assert [call["function"]["name"] for call in calls] == ["find_customer", "list_orders", "submit_answer"]
    # The second call's argument was bound to what the first returned.
    assert json.loads(calls[1]["function"]["arguments"]) == {"customer": "cus-2086"}
    assert json.loads(calls[2]["function"]["arguments"]) == {"answer": {"total": 19.25}}
    results = [message for message in line["messages"] if message["role"] == "tool"]
    assert [result["tool_call_id"] for result in results] == [call["id"] for call in calls[:2]]
    assert json.loads(results[1]["content"]) == {"orders": [{"id": "ord-58120", "total": 19.25}]}
    assert [tool["function"]["name"] for tool in line["tools"]][-1] == "submit_answer"


def test_a_task_that_another_recording_proved_is_refused(tasks: list[Task], recording: Recording) -> None:
    stranger = tasks[0].model_copy(update={"recording": Source(id=recording.id, digest="blake2b:00")})
    with pytest.raises(TaskError, match="proven with other answers"):
        demonstrate([stranger], recording)


def test_a_task_whose_plan_is_not_recorded_is_refused(tasks: list[Task], recording: Recording) -> None:
    node = tasks[0].plan[0].model_copy(update={"arguments": {"email": "nobody@example.org"}})
    with pytest.raises(TaskError, match="does not belong to this recording"):
        demonstrate([tasks[0].model_copy(update={"plan": [node, tasks[0].plan[1]]})], recording)


def test_a_tool_that_the_recording_lacks_is_named(tasks: list[Task], recording: Recording) -> None:
    with pytest.raises(TaskError, match="offers the tool 'refund'"):
        demonstrate([tasks[0].model_copy(update={"tools": [*tasks[0].tools, "refund"]})], recording)


def test_a_sharegpt_line_alternates_and_ends_with_the_answer(tasks: list[Task], recording: Recording, tmp_path: Path) -> None:
    written = export_sharegpt(demonstrate(tasks, recording), tmp_path)
    assert written == {"train": 3, "test": 1}
    line = json.loads((tmp_path / "test.jsonl").read_text())
    turns = line["conversations"]
    assert [turn["from"] for turn in turns] == [
        "human",
        "function_call",
        "observation",
        "function_call",
        "observation",
        "function_call",
    ]
    assert json.loads(turns[3]["value"]) == {"name": "list_orders", "arguments": {"customer": "cus-9034"}}
    assert json.loads(turns[-1]["value"]) == {"name": "submit_answer", "arguments": {"answer": {"total": 7.75}}}
    assert "2026-03-02" in line["system"]
    assert [tool["name"] for tool in json.loads(line["tools"])] == [*tasks[3].tools, "submit_answer"]
