"""Conversations in the ShareGPT form with tools, as LLaMA-Factory and its relatives read it.

One object to a line: ``{id, system, conversations: [{from, value}], tools}``. Turns are ``human``, then ``function_call`` (JSON
``{name, arguments}``) and ``observation`` in turn; the last ``function_call`` gives the answer. ``tools`` is JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firefly_mcp.jsonio import JsonObject, dumps, text
from firefly_train.demonstrations import Demonstration

_FROM = {"user": "human", "tool": "observation"}


def export_sharegpt(demonstrations: Sequence[Demonstration], folder: Path) -> dict[str, int]:
    """Write one ``SPLIT.jsonl`` for each split; gives the lines of each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[bytes]] = {}
    for demonstration in demonstrations:
        lines.setdefault(demonstration.task.split, []).append(dumps(conversation(demonstration)) + b"\n")
    for split, written in lines.items():
        (folder / f"{split}.jsonl").write_bytes(b"".join(written))
    return {split: len(written) for split, written in lines.items()}


def conversation(demonstration: Demonstration) -> JsonObject:
    """One line."""
    system, turns = "", []
    for message in demonstration.messages:
        if message["role"] == "system":
            system = message["content"]
        elif message["role"] == "assistant":
            turns.append({"from": "function_call", "value": text(message["tool_calls"][0]["function"])})
        else:
            turns.append({"from": _FROM[message["role"]], "value": message["content"]})
    tools = [entry["function"] for entry in demonstration.tools]
    return {"id": demonstration.task.id, "system": system, "conversations": turns, "tools": text(tools)}
