"""The figures over all rollouts of a run: scores with intervals, how calls were answered, why attempts failed, what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from firefly_mcp.bench.attribution import FAILURES
from firefly_mcp.bench.rollout import Rollout, by_task
from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.statistics import bootstrap_interval, pass_at_k, pass_hat_k
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind

Held = Mapping[str, Sequence[Rollout]]
"""The rollouts of each task, in order of their attempts."""


def score(
    tasks: Sequence[Task],
    rollouts: Sequence[Rollout],
    manifest: JsonObject,
    *,
    price: tuple[float, float] | None = None,
) -> JsonObject:
    """All figures of a run. Everything but ``timing`` follows from the rollouts alone and is the same to the last digit.

    Args:
        tasks: the tasks, in order; those without a rollout do not count.
        rollouts: graded, in any order.
        manifest: what was run.
        price: US dollars for a million tokens, in and out.

    Returns:
        ``{tasks, k, rollouts, "pass@1", "pass@k", "pass^k", interval, intervals, curve, by_match, match_share, misses,
        miss_free, failures, calls, usage, by_server, by_kind, by_difficulty, by_split, subject, manifest, timing}``.
        Intervals are 95% bootstrap intervals over tasks.

    Raises:
        TaskError: no rollout is of one of the tasks, or the tasks have different numbers of attempts.
    """
    known = {task.id: task for task in tasks}
    held = by_task(known, list(rollouts))
    if not held:
        raise TaskError("there is nothing to score: no rollout is of one of these tasks")
    sizes = {len(found) for found in held.values()}
    if len(sizes) > 1:
        raise TaskError(
            f"tasks have from {min(sizes)} to {max(sizes)} attempts each: the run is not complete; run it to its end"
        )
    k = sizes.pop()
    flat = [one for found in held.values() for one in found]
    kinds = sum((one.by_match for one in flat), Counter[str]())
    total = sum(kinds.values())
    return {
        "tasks": len(held),
        "k": k,
        "rollouts": len(flat),
        **_scores(held, k),
        "interval": _interval(held, lambda passed: passed / k),
        "intervals": {
            "pass@1": _interval(held, lambda passed: passed / k),
            "pass@k": _interval(held, lambda passed: pass_at_k(passed, k, k)),
            "pass^k": _interval(held, lambda passed: pass_hat_k(passed, k, k)),
        },
        "curve": [
            {
                "k": count,
                "pass@": _mean(pass_at_k(_passed(found), k, count) for found in held.values()),
                "pass^": _mean(pass_hat_k(_passed(found), k, count) for found in held.values()),
            }
            for count in range(1, k + 1)
        ],
        "by_match": {kind: kinds[kind] for kind in map(str, MatchKind) if kinds[kind]},
        "match_share": {kind: kinds[kind] / total for kind in map(str, MatchKind) if kinds[kind]},
        "misses": dict(sorted(sum((one.misses for one in flat), Counter[str]()).items())),
        "miss_free": _mean(float(not one.misses) for one in flat),
        "failures": _failures(flat),
        "calls": {"total": sum(len(one.calls) for one in flat), **_spread([len(one.calls) for one in flat])},
        "usage": _usage(flat, price),
        "by_server": _groups(known, held, k, lambda task: task.servers, price),
        "by_kind": _groups(known, held, k, lambda task: [str(getattr(task, "kind", "") or "unknown")], price),
        "by_difficulty": _groups(known, held, k, lambda task: [task.difficulty], price),
        "by_split": _groups(known, held, k, lambda task: [task.split], price),
        "subject": str((manifest.get("subject") or {}).get("name", "")),
        "manifest": manifest,
        "timing": _timing(flat),
    }


def _scores(held: Held, k: int) -> dict[str, float]:
    passed = [_passed(found) for found in held.values()]
    return {
        "pass@1": _mean(count / k for count in passed),
        "pass@k": _mean(pass_at_k(count, k, k) for count in passed),
        "pass^k": _mean(pass_hat_k(count, k, k) for count in passed),
    }


def _groups(
    tasks: Mapping[str, Task],
    held: Held,
    k: int,
    keys: Callable[[Task], Iterable[str]],
    price: tuple[float, float] | None,
) -> dict[str, JsonObject]:
    """The main figures by a property of tasks; a task with several values counts for each."""
    groups: dict[str, dict[str, Sequence[Rollout]]] = {}
    for task, found in held.items():
        for key in keys(tasks[task]):
            groups.setdefault(key, {})[task] = found
    out = {}
    for key, members in sorted(groups.items()):
        flat = [one for found in members.values() for one in found]
        out[key] = {
            "tasks": len(members),
            **_scores(members, k),
            "interval": _interval(members, lambda passed: passed / k),
            "failures": _failures(flat),
            "misses": sum(one.misses.total() for one in flat),
            "calls_per_rollout": _mean(float(len(one.calls)) for one in flat),
            "tokens_per_rollout": _mean(float(one.tokens) for one in flat),
            "cost_per_rollout": _mean(one.cost(price) for one in flat),
        }
    return out


def _usage(flat: Sequence[Rollout], price: tuple[float, float] | None) -> JsonObject:
    """Tokens, and their cost where a price is known."""
    found: JsonObject = {name: sum(one.usage.get(name, 0) for one in flat) for name in ("requests", "input", "output")}
    found["tokens_per_rollout"] = _mean(float(one.tokens) for one in flat)
    if price is not None:
        found["price"] = list(price)
        found["cost"] = sum(one.cost(price) for one in flat)
        found["cost_per_rollout"] = found["cost"] / len(flat)
    return found


def _failures(flat: Sequence[Rollout]) -> dict[str, int]:
    counts = Counter(one.failure for one in flat if one.failure)
    return {reason: counts[reason] for reason in FAILURES if counts[reason]}


def _timing(flat: Sequence[Rollout]) -> JsonObject:
    """Seconds of the rollouts: what one machine took, and nothing that a run can be compared by."""
    seconds = [one.seconds for one in flat]
    return {"seconds": sum(seconds), **_spread(seconds)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"mean": _mean(values), "median": ordered[len(ordered) // 2], "most": ordered[-1]}


def _passed(found: Sequence[Rollout]) -> int:
    return sum(one.reward == 1.0 for one in found)


def _interval(held: Held, of: Callable[[int], float]) -> list[float]:
    return bootstrap_interval([of(_passed(found)) for found in held.values()])


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
