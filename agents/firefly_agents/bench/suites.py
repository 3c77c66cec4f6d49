"""Which tasks a benchmark is run on: the tasks of a file, narrowed by split, suite and count; and the known benchmarks."""

from __future__ import annotations

from pathlib import Path
from random import Random

from firefly_mcp.errors import UsageError
from firefly_mcp.tasks.model import Task, read_tasks

WANTING = {
    "mcpmark": "the tasks of MCPMark (github.com/eval-sys/mcpmark) and its live worlds: accounts at Notion and GitHub,"
    " PostgreSQL, a browser; their checks run against those accounts and no package holds them",
    "mcp-atlas": "the tasks of MCP-Atlas (Scale AI, huggingface.co/datasets/ScaleAI/MCP-Atlas), keys for its 36 servers, and a"
    " model that judges claims",
}
"""Known benchmarks that cannot be had offline, and what each needs."""


def check_suite(suite: str | None) -> None:
    """See that a suite can be run at all.

    Raises:
        UsageError: it cannot; the message says what is needed.
    """
    if suite in WANTING:
        raise UsageError(
            f"--suite {suite} cannot run offline: it needs {WANTING[suite]}; record its servers with 'firefly record'"
        )


def chosen_tasks(
    path: Path, *, suite: str | None = None, split: str = "all", count: int | None = None, seed: int = 0
) -> list[Task]:
    """The tasks of a file that are to be run, in their order.

    Args:
        path: ``tasks.jsonl``.
        suite: ``heldout`` for all splits but ``train``.
        split: only this split, or ``all``.
        count: at most so many, drawn by ``seed``.
        seed: of the draw.

    Raises:
        TaskError: the file cannot be read.
        UsageError: nothing is left.
    """
    tasks = read_tasks(path)
    known = sorted({task.split for task in tasks})
    kept = [task for task in tasks if suite != "heldout" or task.split != "train"]
    kept = [task for task in kept if split in ("all", task.split)]
    if not kept:
        which = " and ".join(["--suite heldout"] * (suite == "heldout") + [f"--split {split}"] * (split != "all"))
        raise UsageError(
            f"{path}: no task is left with {which or 'these options'}; it has the splits: {', '.join(known) or 'none'}"
        )
    return drawn(kept, count, seed)


def drawn(tasks: list[Task], count: int | None, seed: int) -> list[Task]:
    """At most ``count`` of the tasks, drawn by ``seed``, in their own order."""
    if count is None or count >= len(tasks):
        return tasks
    kept = set(Random(seed).sample(range(len(tasks)), count))
    return [task for place, task in enumerate(tasks) if place in kept]
