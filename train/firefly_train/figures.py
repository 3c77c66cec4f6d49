"""A run in figures: ``run.json`` from verl's own metrics and the log of trajectories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject, loads
from firefly_train.dataset import HELD_OUT, TRAIN

METRICS, ROLLOUTS, RUN = "metrics.jsonl", "rollouts.jsonl", "run.json"


def read_lines(path: Path) -> list[JsonObject]:
    """The whole lines of a JSON-lines file that may still be growing; empty when it is not there."""
    if not path.exists():
        return []
    return [loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n") and line.strip()]


def steps(metrics: Iterable[JsonObject], rollouts: Sequence[JsonObject]) -> list[JsonObject]:
    """One entry for each training step, in order: verl's figures beside what replay said."""
    by_step: dict[int, list[JsonObject]] = defaultdict(list)
    for line in rollouts:
        if line["split"] == TRAIN:
            by_step[int(line["step"])].append(line)
    found = []
    for line in metrics:
        data = line["data"]
        if "critic/score/mean" not in data:  # the validation before training
            continue
        own = by_step[int(line["step"])]
        found.append(
            {
                "step": int(line["step"]),
                "reward_mean": _number(data["critic/score/mean"]),
                "seconds": _number(data.get("timing_s/step")),
                "rollout_seconds": _number(data.get("timing_s/gen")),
                "grad_norm": _number(data.get("actor/grad_norm")),
                "response_tokens": _number(data.get("response_length/mean")),
                "trajectories": len(own),
                **counts(own),
            }
        )
    return found


def counts(rollouts: Iterable[JsonObject]) -> JsonObject:
    """Calls, match kinds, misses by cause, and infrastructure errors of some trajectories."""
    kinds: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    refused, failures, seconds = 0, 0, 0.0
    for line in rollouts:
        kinds.update(line["by_match"])
        misses.update(line["misses"])
        refused += line["refused"]
        failures += len(line["failures"])
        seconds += line["tool_seconds"]
    return {
        "tool_calls": kinds.total(),
        "by_match": dict(kinds),
        "misses": dict(misses),
        "refused_calls": refused,
        "infrastructure_errors": failures,
        "tool_seconds": round(seconds, 3),
    }


def held_out(rollouts: Sequence[JsonObject]) -> tuple[float | None, float | None]:
    """Mean reward on held-out tasks at the first and at the last validation; None where there was none."""
    by_step: dict[int, list[float]] = defaultdict(list)
    for line in rollouts:
        if line["split"] == HELD_OUT:
            by_step[int(line["step"])].append(float(line["reward"]))
    means = [sum(rewards) / len(rewards) for _, rewards in sorted(by_step.items())]
    if not means:
        return None, None
    return means[0], means[-1] if len(means) > 1 else None


def summary(folder: Path, config: JsonObject) -> JsonObject:
    """The content of ``run.json`` for a run folder, finished or not."""
    metrics, rollouts = read_lines(folder / METRICS), read_lines(folder / ROLLOUTS)
    before, after = held_out(rollouts)
    return {
        "steps": steps(metrics, rollouts),
        "heldout_before": before,
        "heldout_after": after,
        "trajectories": len(rollouts),
        **counts(rollouts),
        "config": config,
    }


def _number(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
