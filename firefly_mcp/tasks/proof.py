"""Run the pure gates over tasks and keep the verdicts; execution is handed in, because it needs a proxy and a client."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import (
    Grounds,
    PlanBrokenError,
    Repeats,
    binding_gate,
    completeness_gate,
    determinacy_gate,
    evidence_gate,
    guessable,
    leakage_gate,
    necessity_gate,
    observe,
    shortcut_gate,
    stability_gate,
)
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.types import MatchKind

PURE_GATES = (
    evidence_gate,
    binding_gate,
    determinacy_gate,
    completeness_gate,
    leakage_gate,
    necessity_gate,
    stability_gate,
    shortcut_gate,
)
"""In the order in which they are asked; the first that fails rejects."""


@dataclass
class Ledger:
    """What became of the candidates: ``admitted`` tasks with all their verdicts, and the others with the failed gate."""

    admitted: list[Task] = field(default_factory=list)
    rejected: list[Task] = field(default_factory=list)

    def gates(self) -> dict[str, int]:
        """How many candidates each gate rejected."""
        return dict(Counter(task.verdicts[-1].gate for task in self.rejected).most_common())

    def summary(self) -> JsonObject:
        """The shape of ``firefly verify --json``."""
        return {"candidates": len(self.admitted) + len(self.rejected), "admitted": len(self.admitted), "rejected": self.gates()}


def strict_replay(recording: Recording) -> Replay:
    """The replay that proves: exact matches in the same state only."""
    return Replay(recording, ReplayPolicy(match=MatchKind.EXACT), ReplayIndex(recording))


def judge(task: Task, replay: Replay, grounds: Grounds | None = None) -> Task:
    """Ask every pure gate; the task comes back with verdicts up to the first that fails, and its recording's digest.

    Args:
        task: the task.
        replay: :func:`strict_replay` of the recording that proves it.
        grounds: of that replay, where many tasks are judged.

    Raises:
        TaskError: the task was made from another recording, and this one does not hold the calls that it needs.
    """
    verdicts: list[Verdict] = []
    foreign = bool(task.recording.digest) and task.recording.id != replay.recording.id
    try:
        seen = observe(task, replay, grounds)
    except PlanBrokenError as error:
        if foreign:
            raise TaskError(
                f"task {task.id} was made from another recording ({task.recording.id[:12]}, not {replay.recording.id[:12]}"
                f" at {replay.recording.path}): {error}"
            ) from error
        return task.model_copy(update={"verdicts": [Verdict(gate="execution", passed=False, reason=str(error))]})
    digest = seen.digest()
    if task.recording.digest and task.recording.digest != digest:
        if foreign:
            where = f"{replay.recording.path}: task {task.id}"
            raise TaskError(
                f"{where} was proven with other answers than this recording holds; use the recording it was made from"
            )
        changed = Verdict(gate="execution", passed=False, reason="the plan's calls are not those that the task was proven with")
        return task.model_copy(update={"verdicts": [changed]})
    for gate in PURE_GATES:
        verdict = gate(task, seen)
        verdicts.append(verdict)
        if not verdict.passed:
            break
    source = task.recording.model_copy(update={"digest": digest})
    return task.model_copy(update={"verdicts": verdicts, "recording": source})


def objections(task: Task, replay: Replay, grounds: Grounds | None = None) -> list[Verdict]:
    """The verdicts of every pure gate that has something against the task, each asked for itself."""
    try:
        seen = observe(task, replay, grounds)
    except PlanBrokenError as error:
        return [Verdict(gate="execution", passed=False, reason=str(error))]
    return [verdict for verdict in (gate(task, seen) for gate in PURE_GATES) if not verdict.passed]


def without_repeats(tasks: Sequence[Task]) -> Ledger:
    """The set gates, over tasks that passed all others: uniqueness, by what was taken before, and what a guesser has right.

    What is admitted is admitted again by itself.
    """
    ledger = Ledger()
    repeats = Repeats()
    unique = []
    for task in tasks:
        verdict = repeats.uniqueness(task)
        judged = task.model_copy(update={"verdicts": [*task.verdicts, verdict]})
        if verdict.passed:
            repeats.take(judged)
            unique.append(judged)
        else:
            ledger.rejected.append(judged)
    left = guessable(unique)
    for task in unique:
        if task.id in left:
            verdict = Verdict(gate="leakage", passed=False, reason="other tasks have this answer: too easily guessed")
            ledger.rejected.append(task.model_copy(update={"verdicts": [*task.verdicts, verdict]}))
        else:
            ledger.admitted.append(task)
    return ledger


def store_tasks(recording: Recording, ledger: Ledger) -> None:
    """Keep admitted and rejected tasks, each with its verdicts, in the recording."""
    now = time.time()
    with recording.transaction() as db:
        for status, tasks in (("admitted", ledger.admitted), ("rejected", ledger.rejected)):
            for task in tasks:
                db.execute(
                    "INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?)", (task.id, status, task.line().decode().strip(), now)
                )
                db.execute("DELETE FROM verdict WHERE task_id = ?", (task.id,))
                for verdict in task.verdicts:
                    db.execute(
                        "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)",
                        (task.id, verdict.gate, int(verdict.passed), verdict.reason, now),
                    )
