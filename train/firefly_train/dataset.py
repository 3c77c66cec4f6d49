"""Tasks as training data: rows for verl's ``RLHFDataset``, and conversations for supervised training.

A row has the columns that verl 0.9.1 reads: ``data_source``, ``agent_name`` (without it verl would run the row in a single
turn), ``prompt``, ``reward_model`` and ``extra_info`` with the tools of the row. What has no fixed shape (the label, its
schema) travels as JSON text, because Parquet knows no open objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, dumps, text
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task
from firefly_train.demonstrations import Demonstration
from firefly_train.function_schema import offered
from firefly_train.prompts import messages

AGENT = "firefly"
"""The agent loop that runs a row."""
SOURCE = "firefly"
TRAIN, HELD_OUT = "train", "test"


def row(task: Task, index: int) -> JsonObject:
    """The verl row of one task."""
    return {
        "data_source": SOURCE,
        "agent_name": AGENT,
        "prompt": messages(task),
        "reward_model": {"style": "rule", "ground_truth": text({"answer": task.answer, "schema": task.answer_schema})},
        "extra_info": {
            "index": index,
            "split": task.split,
            "task_id": task.id,
            "tool_selection": offered(task),
            "need_tools_kwargs": True,
            # Parquet cannot store an empty struct, so the answer channel is told its task.
            "tools_kwargs": {ANSWER_TOOL: {"create_kwargs": {"task_id": task.id}}},
        },
    }


def split_rows(tasks: Iterable[Task]) -> dict[str, list[JsonObject]]:
    """Rows by split; indices run through the whole set, so that a row can be found again."""
    rows: dict[str, list[JsonObject]] = {TRAIN: [], HELD_OUT: []}
    for index, task in enumerate(tasks):
        rows.setdefault(task.split, []).append(row(task, index))
    return rows


def require_training(rows: Mapping[str, Sequence[JsonObject]]) -> None:
    """There must be something to train on.

    Raises:
        TaskError: there is not.
    """
    if not rows[TRAIN]:
        counted = ", ".join(f"{len(found)} of {split!r}" for split, found in rows.items())
        raise TaskError(f"no task of the split {TRAIN!r}: nothing to train on; there are {counted}")


def write_parquet(path: Path, rows: Sequence[JsonObject]) -> None:
    """Write rows as one Parquet file.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow: pip install 'firefly-mcp[export]'") from error
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def export_verl(tasks: Sequence[Task], folder: Path) -> dict[str, int]:
    """Write ``train.parquet`` and one file for each other split that has tasks; gives the rows of each split."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for split, rows in split_rows(tasks).items():
        if rows:
            write_parquet(folder / f"{split}.parquet", rows)
            written[split] = len(rows)
    return written


def export_chat(demonstrations: Sequence[Demonstration], folder: Path) -> dict[str, int]:
    """Write one ``SPLIT.jsonl`` for each split: ``{id, messages, tools}``, the plan's calls as ``tool_calls``.

    Arguments of calls are JSON text, as in OpenAI's chat format, and every call has an id that its result names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[bytes]] = {}
    for demonstration in demonstrations:
        task = demonstration.task
        line = {"id": task.id, "messages": openai_messages(demonstration.messages), "tools": demonstration.tools}
        lines.setdefault(task.split, []).append(dumps(line) + b"\n")
    for split, written in lines.items():
        (folder / f"{split}.jsonl").write_bytes(b"".join(written))
    return {split: len(written) for split, written in lines.items()}


def openai_messages(conversation: Sequence[JsonObject]) -> list[JsonObject]:
    """A conversation in OpenAI's chat form: every call has an id that its result names, its arguments are JSON text."""
    told: list[JsonObject] = []
    for message in conversation:
        if "tool_calls" in message:
            call_id = f"call_{len(told)}"
            function = message["tool_calls"][0]["function"]
            spelled = {"name": function["name"], "arguments": text(function["arguments"])}
            told.append({**message, "tool_calls": [{"id": call_id, "type": "function", "function": spelled}]})
        elif message["role"] == "tool":
            told.append({**message, "tool_call_id": told[-1]["tool_calls"][0]["id"]})
        else:
            told.append(message)
    return told
