"""Answers that a model wrote for calls that were never recorded. The first one that is kept stands for ever."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """What was asked: the tool, the canonical hash of the call, the state in which it was asked, and the model."""

    key: ToolKey
    args_hash: str
    state_key: str
    model: str


@dataclass(frozen=True, slots=True)
class SimulatedAnswer:
    """What a model wrote once. ``nearest`` is the recorded call that was nearest, if there was one."""

    result: JsonObject
    result_hash: str
    nearest: int | None


def find(recording: Recording, asked: SimulatedCall) -> SimulatedAnswer | None:
    """The answer that is kept, or None."""
    rows = recording.db.execute(
        "SELECT m.result_hash, m.call_id FROM simulated m JOIN server v ON v.id = m.server_id"
        " WHERE v.name = ? AND m.tool = ? AND m.args_hash = ? AND m.state_key = ? AND m.model = ?",
        (asked.key.server, asked.key.tool, asked.args_hash, asked.state_key, asked.model),
    ).fetchall()
    if not rows:
        return None
    digest, nearest = str(rows[0][0]), rows[0][1]
    return SimulatedAnswer(recording.load_result(digest), digest, None if nearest is None else int(str(nearest)))


def keep(recording: Recording, asked: SimulatedCall, result: JsonObject, sources: Sequence[int]) -> SimulatedAnswer:
    """Keep an answer, unless another process was faster; gives the one that stands.

    Args:
        recording: where.
        asked: the call.
        result: the answer.
        sources: the recorded calls that the model was shown, nearest first.

    Raises:
        StoreError: the recording cannot be written.
    """
    server = recording.add_server(asked.key.server)
    with recording.transaction() as db:
        digest = recording.store_result(result)
        db.execute(
            "INSERT OR IGNORE INTO simulated (server_id, tool, args_hash, state_key, model, result_hash, call_id, sources,"
            " added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                server,
                asked.key.tool,
                asked.args_hash,
                asked.state_key,
                asked.model,
                digest,
                sources[0] if sources else None,
                text(list(sources)),
                time.time(),
            ),
        )
    kept = find(recording, asked)
    assert kept is not None
    return kept
