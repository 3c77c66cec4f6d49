"""Paired differences of held-out reward with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from firefly_mcp.jsonio import JsonObject

DRAWS = 10_000


def paired(
    first: Sequence[Mapping[str, Sequence[float]]], second: Sequence[Mapping[str, Sequence[float]]], groups: Mapping[str, str]
) -> JsonObject:
    """The mean of ``second - first`` over tasks, each the mean over its attempts, paired by seed and task.

    Args:
        first: for each seed, the rewards of each task's attempts.
        second: the same of the other arm.
        groups: the sub-DAG of each task.

    Returns:
        ``difference``, ``interval`` (95%, seeds and tasks drawn anew) and ``interval_by_sub_dag`` (seeds and whole sub-DAGs
        drawn anew: tasks of one sub-DAG are not independent).
    """
    tasks = sorted(set(first[0]) & set(second[0]))
    change = np.array(
        [[np.mean(after[task]) - np.mean(before[task]) for task in tasks] for before, after in zip(first, second, strict=True)]
    )
    rng = np.random.default_rng(0)
    seeds, count = change.shape
    drawn = np.empty(DRAWS)
    for at in range(DRAWS):
        drawn[at] = change[rng.integers(0, seeds, seeds)][:, rng.integers(0, count, count)].mean()
    members: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        members.setdefault(groups[task], []).append(place)
    sums = np.array([[change[seed, places].sum() for places in members.values()] for seed in range(seeds)])
    sizes = np.array([len(places) for places in members.values()])
    clustered = np.empty(DRAWS)
    for at in range(DRAWS):
        chosen = rng.integers(0, len(sizes), len(sizes))
        clustered[at] = sums[rng.integers(0, seeds, seeds)][:, chosen].sum() / (seeds * sizes[chosen].sum())
    return {
        "tasks": count,
        "sub_dags": len(sizes),
        "seeds": seeds,
        "difference": round(float(change.mean()), 4),
        "interval": [round(float(edge), 4) for edge in np.percentile(drawn, [2.5, 97.5])],
        "interval_by_sub_dag": [round(float(edge), 4) for edge in np.percentile(clustered, [2.5, 97.5])],
    }
