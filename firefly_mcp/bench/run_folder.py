"""The folder of a run: its manifest, its tasks and its rollouts. A killed run leaves one that the next run goes on with.

``manifest.json`` and ``tasks.jsonl`` are written before the first rollout, a line of ``rollouts.jsonl`` as soon as a rollout
has ended; ``bench.json``, ``rollouts.csv``, ``tasks.csv`` and ``bench.html`` follow at the end and can be made again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from firefly_mcp.bench.manifest import same_run, tasks_hash
from firefly_mcp.bench.rollout import Rollout
from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks

MANIFEST, TASKS, ROLLOUTS, REPORT = "manifest.json", "tasks.jsonl", "rollouts.jsonl", "bench.json"


class RunFolder:
    """A run as it lies on disk."""

    def __init__(self, path: Path, manifest: JsonObject, tasks: Sequence[Task], name: str) -> None:
        """Use :meth:`begin` or :meth:`load`."""
        self.path = path
        self.manifest = manifest
        self.tasks = list(tasks)
        self.name = name
        """The run's own name, the beginning of its sessions' names in the recording."""

    @classmethod
    def begin(cls, path: Path, manifest: JsonObject, tasks: Sequence[Task]) -> RunFolder:
        """Begin a run in a folder, or go on with the one that it holds.

        Raises:
            UsageError: it holds another run, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / MANIFEST).exists():
                there = _object(path / MANIFEST)
                same_run(manifest, there["manifest"])
                run = cls(path, manifest, tasks, str(there["run"]))
                run._mend()
                return run
            run = cls(path, manifest, tasks, f"bench-{uuid.uuid4().hex[:8]}")
            write_tasks(path / TASKS, tasks)
            _write(path / MANIFEST, dumps({"run": run.name, "manifest": manifest}))
        except OSError as error:
            raise UsageError(f"--out {path}: cannot be written ({error.strerror})") from error
        return run

    @classmethod
    def load(cls, path: Path) -> RunFolder:
        """Open the folder of a run.

        Raises:
            UsageError: it is none.
        """
        if not (path / MANIFEST).is_file():
            raise UsageError(f"{path}: not the folder of a benchmark run (no {MANIFEST}); 'firefly bench --out DIR' makes one")
        there = _object(path / MANIFEST)
        if not isinstance(there.get("manifest"), dict):
            raise UsageError(f"{path / MANIFEST}: damaged: it holds no manifest")
        return cls(path, there["manifest"], read_tasks(path / TASKS), str(there.get("run", "")))

    def rollouts(self) -> list[Rollout]:
        """The rollouts so far, in the order of the tasks and their attempts; of the same attempt the first.

        Raises:
            TaskError: a line other than an unfinished last one is not a rollout.
        """
        file = self.path / ROLLOUTS
        if not file.exists():
            return []
        found: dict[tuple[str, int], Rollout] = {}
        for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                one = Rollout.of_line(line)
            except ValueError as error:
                raise TaskError(f"{file}: line {number} is not a rollout: {error}") from error
            found.setdefault((one.task, one.attempt), one)
        order = {task.id: place for place, task in enumerate(self.tasks)}
        return sorted(found.values(), key=lambda one: (order.get(one.task, len(order)), one.attempt))

    def append(self, rollout: Rollout) -> None:
        """Keep a rollout that has ended; it outlives a kill from here on."""
        handle = os.open(self.path / ROLLOUTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, rollout.line())
        finally:
            os.close(handle)

    def replace(self, rollouts: Sequence[Rollout]) -> None:
        """Write all rollouts anew, whole or not at all."""
        _write(self.path / ROLLOUTS, b"".join(one.line() for one in rollouts))

    def relabel(self, tasks: Sequence[Task]) -> None:
        """Take the run's tasks as they stand in another list, and keep them so.

        Raises:
            TaskError: one of them is not in it.
        """
        others = {task.id: task for task in tasks}
        missing = [task.id for task in self.tasks if task.id not in others]
        if missing:
            raise TaskError(f"{self.path}: task {missing[0]} of the run is not among the tasks that are given")
        self.tasks = [others[task.id] for task in self.tasks]
        self.manifest = {**self.manifest, "tasks": {"count": len(self.tasks), "hash": tasks_hash(self.tasks)}}
        write_tasks(self.path / TASKS, self.tasks)
        _write(self.path / MANIFEST, dumps({"run": self.name, "manifest": self.manifest}))

    def _mend(self) -> None:
        """Drop the half of a line that a kill may have left at the end."""
        file = self.path / ROLLOUTS
        if file.exists() and not (data := file.read_bytes()).endswith(b"\n") and data:
            _write(file, data[: data.rfind(b"\n") + 1])


def load_report(path: Path) -> JsonObject:
    """The report of a run: its folder, or the file ``bench.json`` of one.

    Raises:
        UsageError: there is none.
    """
    file = path / REPORT if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"{path}: no benchmark result there; 'firefly bench --out DIR' writes {REPORT}")
    report = _object(file)
    if "pass@1" not in report:
        raise UsageError(f"{file}: not the result of a benchmark: it has no pass@1")
    return report


def _object(file: Path) -> JsonObject:
    try:
        value = loads(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{file}: not a JSON object")
    return value


def _write(file: Path, data: bytes) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(data)
    part.replace(file)
