"""A run in figures: ``run.json`` from verl's own metrics and the log of trajectories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import comb
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject, loads
from firefly_train.dataset import TRAIN

METRICS, ROLLOUTS, RUN = "metrics.jsonl", "rollouts.jsonl", "run.json"
SAMPLES = (1, 4)
"""The k of pass@k."""


def read_lines(path: Path) -> list[JsonObject]:
    """The whole lines of a JSON-lines file that may still be growing; empty when it is not there."""
    if not path.exists():
        return []
    return [loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n") and line.strip()]


def read_metrics(folder: Path) -> list[JsonObject]:
    """verl's metrics, those of a run that was resumed after those before it; a step that was made again counts once."""
    parts = sorted(folder.glob("metrics*.jsonl"), key=lambda path: (len(path.name), path.name))
    found: dict[tuple[int, bool], JsonObject] = {}
    for part in parts:
        for line in read_lines(part):
            found[(int(line["step"]), "critic/score/mean" in line["data"])] = line
    return [found[key] for key in sorted(found)]


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
        seconds = _number(data.get("timing_s/step"))
        waited = waiting(own)
        found.append(
            {
                "step": int(line["step"]),
                "reward_mean": _number(data["critic/score/mean"]),
                "seconds": seconds,
                "rollout_seconds": _number(data.get("timing_s/gen")),
                "replay_seconds": round(waited, 3),
                "replay_share": round(waited / seconds, 4) if seconds else None,
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


def waiting(rollouts: Iterable[JsonObject]) -> float:
    """Seconds in which at least one of the trajectories waited for replay: an upper bound of what replay can have cost."""
    spans = sorted((float(begin), float(end)) for line in rollouts for begin, end in line.get("waits", ()))
    total, until = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def by_task(lines: Iterable[JsonObject]) -> dict[str, list[float]]:
    """The rewards of each task's attempts."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        found[str(line["task"])].append(float(line["reward"]))
    return dict(found)


def pass_at(rewards: Mapping[str, Sequence[float]], k: int) -> float | None:
    """The mean chance that at least one of ``k`` attempts is right, unbiased from each task's attempts (Chen et al. 2021).

    None where some task has fewer attempts, or where there is none.
    """
    if not rewards or any(len(tries) < k for tries in rewards.values()):
        return None
    return sum(_chance(len(tries), sum(reward >= 1.0 for reward in tries), k) for tries in rewards.values()) / len(rewards)


def _chance(tries: int, right: int, k: int) -> float:
    return 1.0 - comb(tries - right, k) / comb(tries, k)


def evaluation(lines: Sequence[JsonObject]) -> JsonObject:
    """Attempts at tasks in figures: pass@1, pass@4, and what replay said."""
    rewards = by_task(lines)
    passed = {f"pass@{k}": _number(pass_at(rewards, k)) for k in SAMPLES}
    return {"tasks": len(rewards), "trajectories": len(lines), **passed, **counts(lines)}


def held_out(rollouts: Sequence[JsonObject]) -> list[JsonObject]:
    """Each validation on held-out tasks, by the step after which it was made; every split but ``train`` is held out."""
    by_step: dict[int, list[JsonObject]] = defaultdict(list)
    for line in rollouts:
        if line["split"] != TRAIN:
            by_step[int(line["step"])].append(line)
    return [{"step": step, **evaluation(lines), "by_split": by_split(lines)} for step, lines in sorted(by_step.items())]


def by_split(lines: Sequence[JsonObject]) -> dict[str, JsonObject]:
    """Attempts at tasks in figures, split by split."""
    splits = sorted({str(line["split"]) for line in lines})
    return {split: evaluation([line for line in lines if line["split"] == split]) for split in splits}


def summary(folder: Path, config: JsonObject) -> JsonObject:
    """The content of ``run.json`` for a run folder, finished or not."""
    rollouts = read_lines(folder / ROLLOUTS)
    validations = held_out(rollouts)
    made = steps(read_metrics(folder), rollouts)
    timed = [entry for entry in made if entry["seconds"]]
    share = sum(entry["replay_seconds"] for entry in timed) / sum(entry["seconds"] for entry in timed) if timed else None
    return {
        "steps": made,
        "heldout_before": validations[0]["pass@1"] if validations else None,
        "heldout_after": validations[-1]["pass@1"] if len(validations) > 1 else None,
        "heldout": validations,
        "trajectories": len(rollouts),
        **counts(rollouts),
        "replay_share": _number(share),
        "config": config,
    }


def _number(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
