"""Which tasks a benchmark is run on: the tasks of a file, narrowed by split, suite and count; or a known benchmark's."""

from __future__ import annotations

from pathlib import Path
from random import Random

from firefly_mcp.errors import UsageError
from firefly_mcp.tasks.model import Task, read_tasks


def chosen_tasks(
    path: Path, *, suite: str | None = None, split: str = "all", count: int | None = None, seed: int = 0
) -> list[Task]:
    """The tasks to run, in the order of their file.

    Args:
        path: ``tasks.jsonl``.
        suite: ``heldout`` for all splits but ``train``; another name for a known benchmark.
        split: only this split, or ``all``.
        count: at most so many, drawn by ``seed``.
        seed: of the draw.

    Raises:
        TaskError: the file cannot be read.
        UsageError: nothing is left; or the benchmark's data is not at hand, and the message says what is needed.
    """
    tasks = read_tasks(path)
    if suite == "heldout":
        tasks = [task for task in tasks if task.split != "train"]
    known = sorted({task.split for task in tasks})
    if split != "all":
        tasks = [task for task in tasks if task.split == split]
    if not tasks:
        which = "--suite heldout" if suite == "heldout" else f"--split {split}"
        raise UsageError(f"{path}: no task is left with {which}; it has the splits: {', '.join(known) or 'none'}")
    if count is not None and count < len(tasks):
        kept = set(Random(seed).sample(range(len(tasks)), count))
        tasks = [task for place, task in enumerate(tasks) if place in kept]
    return tasks
