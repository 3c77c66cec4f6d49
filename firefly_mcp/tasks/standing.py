"""Which stored tasks still stand when sessions are forgotten.

A task holds words and values of the calls that it was made from. One that the remaining recording still answers in the same way
says nothing that is not there anyway, and stays. Any other is reduced to a mark.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import apsw
from pydantic import ValidationError

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.replay import Replay
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.proof import judge, strict_replay
from firefly_mcp.types import ToolKey

FORGOTTEN, UNPROVEN = "forgotten", "unproven"
_GATE = "recording"
_MARK = ("id", "tools", "servers", "difficulty", "split", "recording")
"""What a mark keeps: nothing that was said or answered."""


@dataclass(frozen=True, slots=True)
class _Stored:
    id: str
    document: JsonObject
    task: Task | None
    proven: bool


class Standing:
    """The stored tasks as they stand now; ask again when sessions are gone."""

    def __init__(self, recording: Recording) -> None:
        """Judge the admitted ones, to tell later what forgetting changed."""
        self._recording = recording
        self._tasks: list[_Stored] = []
        rows = recording.db.execute("SELECT id, status, task FROM task ORDER BY id").fetchall()
        replay = strict_replay(recording) if rows else None
        for number, status, stored in rows:
            document = loads(str(stored))
            if status == FORGOTTEN:
                continue
            try:
                task = Task.model_validate(document)
            except ValidationError:
                task = None
            proven = bool(task and replay and status == "admitted" and not _trouble(task, replay))
            self._tasks.append(_Stored(str(number), document, task, proven))

    def fallen(self, called: Iterable[ToolKey]) -> dict[str, tuple[str, str]]:
        """The tasks that no longer stand: ``forgotten`` or ``unproven``, and why, by id.

        Args:
            called: the tools that the forgotten sessions called. What uses none of them is not concerned.
        """
        if not self._tasks:
            return {}
        keys = set(called)
        replay = strict_replay(self._recording)
        out: dict[str, tuple[str, str]] = {}
        for stored in self._tasks:
            task = stored.task
            if task is not None and not keys & {node.key for node in task.plan}:
                continue
            if task is None or not _followed(task, replay):
                out[stored.id] = (FORGOTTEN, "a session that it rests on was forgotten")
            elif stored.proven and (why := _trouble(task, replay)):
                out[stored.id] = (UNPROVEN, f"a session that it rests on was forgotten: {why}")
        return out

    def mark(self, db: apsw.Connection, fallen: dict[str, tuple[str, str]]) -> None:
        """Write the new status of tasks, inside the caller's transaction; a forgotten one keeps no content and no verdict."""
        documents = {stored.id: stored.document for stored in self._tasks}
        for number, (status, why) in fallen.items():
            if status == FORGOTTEN:
                kept = {key: documents[number][key] for key in _MARK if key in documents[number]}
                db.execute("UPDATE task SET task = ? WHERE id = ?", (text({**kept, "forgotten": True}), number))
                db.execute("DELETE FROM verdict WHERE task_id = ?", (number,))
            db.execute("UPDATE task SET status = ? WHERE id = ?", (status, number))
            db.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, 0, ?, ?)", (number, _GATE, why, time.time()))


def _trouble(task: Task, replay: Replay) -> str:
    """What a pure gate has against the task, or the empty string."""
    try:
        last = judge(task, replay).verdicts[-1]
    except TaskError as error:
        return str(error)
    return "" if last.passed else f"{last.gate}: {last.reason}"


def _followed(task: Task, replay: Replay) -> bool:
    """Whether the plan can be followed, to the answers that the task was made from."""
    try:
        digest = observe(task, replay).digest()
    except PlanBrokenError:
        return False
    return task.recording.digest in ("", digest)
