"""A data set as the Hugging Face hub takes it: one Parquet file for each split under ``data``, and the card ``README.md``.

What has no fixed shape (answer, schema, plan, evidence, tools) is JSON text; ``messages`` are in OpenAI's chat form. The
columns have the same types whatever the tasks, so that splits can be put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, text
from firefly_train.dataset import openai_messages
from firefly_train.demonstrations import Demonstration


def export_hub(demonstrations: Sequence[Demonstration], card: str, folder: Path) -> dict[str, int]:
    """Write the folder; gives the rows of each split.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow: pip install 'firefly-mcp[export]'") from error
    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[JsonObject]] = {}
    for demonstration in demonstrations:
        rows.setdefault(demonstration.task.split, []).append(hub_row(demonstration))
    for split, found in rows.items():
        pq.write_table(pa.Table.from_pylist(found, schema=_schema(pa)), folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(card, encoding="utf-8")
    return {split: len(found) for split, found in rows.items()}


def hub_row(demonstration: Demonstration) -> JsonObject:
    """The row of one task."""
    task = demonstration.task
    line = task.model_dump(mode="json", by_alias=True)
    return {
        **{name: line.get(name) for name in ("id", "request", "kind", "difficulty", "servers", "now", "recording", "verdicts")},
        **{name: text(line[name]) for name in ("answer", "answer_schema", "plan", "evidence")},
        "tools": text(demonstration.tools),
        "messages": openai_messages(demonstration.messages),
    }


def _schema(pa: Any) -> Any:
    string = pa.string()
    function = pa.struct([("name", string), ("arguments", string)])
    call = pa.struct([("id", string), ("type", string), ("function", function)])
    message = pa.struct([("role", string), ("content", string), ("tool_calls", pa.list_(call)), ("tool_call_id", string)])
    verdict = pa.struct([("gate", string), ("passed", pa.bool_()), ("reason", string)])
    return pa.schema(
        [
            *((name, string) for name in ("id", "request", "answer", "answer_schema", "kind", "difficulty")),
            ("servers", pa.list_(string)),
            ("now", string),
            *((name, string) for name in ("plan", "evidence", "tools")),
            ("messages", pa.list_(message)),
            ("verdicts", pa.list_(verdict)),
            ("recording", pa.struct([("id", string), ("digest", string)])),
        ]
    )
