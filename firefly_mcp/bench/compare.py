"""Two runs on the same tasks: the paired difference of their scores, with an interval and a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.statistics import bootstrap_interval
from firefly_mcp.tasks.model import Task


def compare(first: RunFolder, second: RunFolder) -> JsonObject:
    """Compare the second run with the first, task by task. Positive differences favour the second.

    Returns:
        ``{a, b, tasks, left_out, difference, interval, wins, losses, ties, p, by_server, by_kind, by_difficulty, differs,
        changed}``. ``difference`` is the mean of pass@1 of ``b`` minus that of ``a`` over the tasks that both hold, and
        ``interval`` its 95% bootstrap interval over tasks; ``p`` is of the two-sided exact sign test over tasks that differ;
        ``differs`` says what the manifests differ in, ``changed`` lists the tasks whose score differs.

    Raises:
        UsageError: no task is in both, or a task of the same id has another answer.
    """
    left, right = _rates(first), _rates(second)
    theirs = {task.id: task for task in second.tasks}
    common = [task for task in first.tasks if task.id in left and task.id in right]
    if not common:
        raise UsageError(f"{first.path} and {second.path} have no task in common; compare runs on the same tasks")
    for task in common:
        if task.answer != theirs[task.id].answer:
            raise UsageError(f"task {task.id} has another answer in {second.path} than in {first.path}")
    pairs = {task.id: (left[task.id], right[task.id]) for task in common}
    wins = sum(b > a for a, b in pairs.values())
    losses = sum(b < a for a, b in pairs.values())
    return {
        "a": _side(first, [a for a, _ in pairs.values()]),
        "b": _side(second, [b for _, b in pairs.values()]),
        "tasks": len(common),
        "left_out": len(left.keys() ^ right.keys()),
        **_difference(list(pairs.values())),
        "wins": wins,
        "losses": losses,
        "ties": len(pairs) - wins - losses,
        "p": sign_test(wins, losses),
        "by_server": _groups(common, pairs, "servers"),
        "by_kind": _groups(common, pairs, "kind"),
        "by_difficulty": _groups(common, pairs, "difficulty"),
        "differs": sorted(key for key in first.manifest if first.manifest[key] != second.manifest.get(key)),
        "changed": [{"task": task, "a": a, "b": b} for task, (a, b) in pairs.items() if a != b],
    }


def sign_test(wins: int, losses: int) -> float:
    """The two-sided exact sign test: the chance of a split at least as uneven if neither were better."""
    count = wins + losses
    if not count:
        return 1.0
    tail = sum(comb(count, size) for size in range(min(wins, losses) + 1)) / 2.0**count
    return min(1.0, 2 * tail)


def _rates(run: RunFolder) -> dict[str, float]:
    """The share of passed attempts of each task."""
    scores: dict[str, list[float]] = {}
    for one in run.rollouts():
        scores.setdefault(one.task, []).append(one.reward)
    return {task: sum(found) / len(found) for task, found in scores.items()}


def _side(run: RunFolder, rates: Sequence[float]) -> JsonObject:
    name = str((run.manifest.get("subject") or {}).get("name", ""))
    return {"run": str(run.path), "subject": name, "k": run.manifest.get("k"), "pass@1": sum(rates) / len(rates)}


def _difference(pairs: Sequence[tuple[float, float]]) -> JsonObject:
    found = [b - a for a, b in pairs]
    return {"difference": sum(found) / len(found), "interval": bootstrap_interval(found)}


def _groups(tasks: Sequence[Task], pairs: Mapping[str, tuple[float, float]], key: str) -> dict[str, JsonObject]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for task in tasks:
        values = getattr(task, key, None) or "unknown"
        for value in values if isinstance(values, list) else [str(values)]:
            groups.setdefault(value, []).append(pairs[task.id])
    return {value: {"tasks": len(found), **_difference(found)} for value, found in sorted(groups.items())}
