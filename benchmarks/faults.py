"""Are spoiled tasks caught? 200 tasks spoiled by seed in each of eight ways.

    python -m benchmarks.faults --store firefly.db --tasks tasks.jsonl

The table tells, for each way, how many were caught at all, how many by a gate whose office it is, and how many each gate
objected to (gates are asked each for itself; the first to object would have rejected). Unspoiled tasks are the control.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks.machine import machine, today
from benchmarks.spoilers import SPOILERS, changed, observe_otherwise
from firefly_mcp.replay import Replay
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Grounds, Observed, Repeats, observe
from firefly_mcp.tasks.model import Task, read_tasks
from firefly_mcp.tasks.proof import objections, strict_replay
from firefly_proxies.verify import execution_gate

ROUNDS = 8
VOLATILE, DUPLICATED, CONTROL = "volatile value", "duplicated", "not spoiled"


class Row:
    """What became of the tasks that were spoiled in one way."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.gates: Counter[str] = Counter()
        self.spoiled = self.caught = self.own = 0
        self.missed: list[str] = []

    def count(self, task: Task, objecting: set[str]) -> None:
        """Count one spoiled task with the gates that object to it."""
        own = SPOILERS[self.way][1] if self.way in SPOILERS else frozenset()
        self.spoiled += 1
        self.caught += bool(objecting)
        self.own += bool(objecting & own)
        self.gates.update(objecting)
        if not objecting & own:
            self.missed.append(f"{task.id} ({', '.join(sorted(objecting)) or 'admitted'})")

    def document(self) -> dict[str, object]:
        """The row as JSON."""
        counts = {"spoiled": self.spoiled, "caught": self.caught, "by_its_gate": self.own}
        return {"way": self.way, **counts, "gates": dict(self.gates), "not_by_its_gate": self.missed[:20]}


def spoiled_tasks(way: str, tasks: Sequence[Task], seen: dict[str, Observed], count: int, seed: int) -> list[tuple[Task, Task]]:
    """``count`` pairs of a task and its spoiled copy, all different; fewer where the tasks offer no more to spoil.

    Every task is spoiled once before one is spoiled again in another place.
    """
    spoiler, _ = SPOILERS[way]
    chance = random.Random(f"{seed}{way}")
    pairs: dict[bytes, tuple[Task, Task]] = {}
    for _ in range(ROUNDS):
        for task in chance.sample(list(tasks), len(tasks)):
            spoiled = spoiler(task, seen[task.id], tasks, chance)
            if spoiled is not None and len(pairs) < count:
                pairs.setdefault(spoiled.line(), (task, spoiled))
        if len(pairs) == count:
            break
    return list(pairs.values())


async def row_of(way: str, pairs: Sequence[tuple[Task, Task]], recording: Recording, replay: Replay) -> Row:
    """Ask every gate of every spoiled task."""
    row = Row(way)
    grounds = Grounds(replay)
    # Spoiled copies keep the id of their task: they are told apart by their places.
    found = [{verdict.gate for verdict in objections(spoiled, replay, grounds)} for _, spoiled in pairs]
    passed = [spoiled for (_, spoiled), gates in zip(pairs, found, strict=True) if not gates]
    executed, _ = await execution_gate(passed, recording, index=replay.index) if passed else ([], None)
    done = iter(executed)
    for (task, spoiled), gates in zip(pairs, found, strict=True):
        objecting = set(gates) if gates or next(done).verdicts[-1].passed else {"execution"}
        repeats = Repeats()
        if way == DUPLICATED:
            repeats.take(task)
        if not repeats.uniqueness(spoiled).passed:
            objecting.add("uniqueness")
        row.count(spoiled, objecting)
    return row


async def measure(store: Path, tasks: Sequence[Task], count: int, seed: int) -> list[Row]:
    """The control row, and one row for each way."""
    with Recording(store) as recording:
        replay = strict_replay(recording)
        grounds = Grounds(replay)
        seen = {task.id: observe(task, replay, grounds) for task in tasks}
        chosen = random.Random(seed).sample(list(tasks), min(count, len(tasks)))
        rows = [await row_of(CONTROL, [(task, changed(task)) for task in chosen], recording, replay)]
        for way in SPOILERS:
            pairs = spoiled_tasks(way, tasks, seen, count, seed)
            if way != VOLATILE:
                rows.append(await row_of(way, pairs, recording, replay))
                continue
            with tempfile.TemporaryDirectory() as folder:
                other = Path(folder) / "otherwise.db"
                recording.db.execute("VACUUM INTO ?", (str(other),))
                with Recording(other) as copy:
                    chance = random.Random(seed)
                    for task, _ in pairs:
                        observe_otherwise(copy, task, seen[task.id], chance)
                    rows.append(await row_of(way, pairs, copy, strict_replay(copy)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown: way by gate."""
    gates = sorted({gate for row in rows for gate in row.gates})
    lines = [f"| way | spoiled | caught | by its gate | {' | '.join(gates)} |", f"| --- |{' --: |' * (len(gates) + 3)}"]
    for row in rows:
        counts = " | ".join(str(row.gates[gate] or "-") for gate in gates)
        own = "-" if row.way == CONTROL else row.own
        lines.append(f"| {row.way} | {row.spoiled} | {row.caught} | {own} | {counts} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and fail below 99 in 100."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = anyio.run(measure, options.store, read_tasks(options.tasks), options.count, options.seed)
    if options.json:
        print(json.dumps({"machine": {**machine(), "date": today()}, "rows": [row.document() for row in rows]}))
        return
    print(table(rows))
    for row in rows:
        for one in row.missed[:5] if row.way != CONTROL else []:
            print(f"{row.way}: not by its gate: {one}")
    spoiled = rows[1:]
    share = sum(row.own for row in spoiled) / max(1, sum(row.spoiled for row in spoiled))
    print(f"{share:.2%} caught, each by its gate; {rows[0].caught} of {rows[0].spoiled} unspoiled tasks refused")


if __name__ == "__main__":
    main()
