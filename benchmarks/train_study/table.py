"""The figures of a study: what each arm reached on held-out tasks, and the paired differences between them."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.train_study.arm import ARMS
from benchmarks.train_study.folder import settings
from benchmarks.train_study.splits import PLANS, SERVERS, VALUES, sub_dag
from benchmarks.train_study.stats import paired
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.tasks.model import read_tasks
from firefly_train.figures import ROLLOUTS, by_task, read_lines

CORE = (PLANS, VALUES)
"""What the gain is measured on: held out by sub-DAG and by argument values. Held out by server is told beside it."""


def table(study: Path) -> JsonObject:
    """The figures of what there is so far."""
    told = settings(study)
    held = read_tasks(study / "heldout.jsonl")
    groups = {task.id: sub_dag(task) for task in held}
    splits = {task.id: task.split for task in held}
    results = {path.parent.name: loads(path.read_bytes()) for path in sorted(study.glob("*/result.json"))}
    results = {name: result for name, result in results.items() if "heldout" in result}
    rewards = {name: by_task(read_lines(study / name / "heldout" / ROLLOUTS)) for name in results}
    seeds = [seed for seed in range(1, 100) if all(f"{arm}-{seed}" in results for arm in ARMS) and "warm" in results]
    found: JsonObject = {
        "study": told,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "date": datetime.now(UTC).date().isoformat(),
        "seeds": seeds,
        "arms": results,
    }
    for name, chosen in (("heldout", CORE), *((split, (split,)) for split in (PLANS, VALUES, SERVERS))):
        tasks = [task for task, split in splits.items() if split in chosen]
        if not tasks or not seeds:
            continue

        def of(arm: str, tasks: list[str] = tasks) -> list[dict[str, list[float]]]:
            names = ["warm"] * len(seeds) if arm == "warm" else [f"{arm}-{seed}" for seed in seeds]
            return [{task: rewards[each][task] for task in tasks} for each in names]

        grpo = of("grpo")
        found[name] = {
            "means": {arm: _mean(of(arm)) for arm in ("warm", *ARMS)},
            "gain": {arm: paired(of("warm"), of(arm), groups) for arm in ARMS},
            "grpo_above": {arm: paired(of(arm), grpo, groups) for arm in ("shuffled", "supervised")},
        }
    (study / "table.json").write_bytes(dumps(found))
    return found


def _mean(rewards: list[dict[str, list[float]]]) -> float:
    means = [sum(tries) / len(tries) for one in rewards for tries in one.values()]
    return round(sum(means) / len(means), 4)


def line(found: JsonObject) -> str:
    """The figures in one line."""
    if "heldout" not in found:
        return "no seed is whole yet"
    told = found["heldout"]
    gain = told["gain"]["grpo"]
    return f"seeds {found['seeds']}: {told['means']}, GRPO's gain {gain['difference']} {gain['interval']}"
