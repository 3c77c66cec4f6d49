"""Gates over a set of tasks: uniqueness (no near-duplicates) and the part of leakage that a constant guesser shows."""

from __future__ import annotations

from collections import Counter

from firefly_mcp.canonical import hash_json
from firefly_mcp.tasks.model import Task, Verdict

PER_ABSTRACT_PLAN = 6
GUESSER_SHARE = 0.05
GUESSER_FREE = 3
"""In a small set this many equal answers are always allowed."""
SHINGLE = 4
NEAR = 0.85


class Repeats:
    """Takes tasks one by one and refuses those that repeat what was already taken."""

    def __init__(self, expected: int) -> None:
        """``expected`` is about how many tasks the set will have; the guesser's share is counted against it."""
        self._limit = max(GUESSER_FREE, int(expected * GUESSER_SHARE))
        self._requests: dict[str, list[frozenset[str]]] = {}
        self._solutions: set[str] = set()
        self._plans: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()

    def uniqueness(self, task: Task) -> Verdict:
        """Refuse a task that asks the same, or nearly the same, as one that was taken."""
        solution = hash_json([[[n.server, n.tool, n.arguments] for n in task.plan], task.answer])
        if solution in self._solutions:
            return Verdict(gate="uniqueness", passed=False, reason="another task has the same calls and answer")
        if self._plans[task.abstract_plan] >= PER_ABSTRACT_PLAN:
            return Verdict(gate="uniqueness", passed=False, reason=f"{PER_ABSTRACT_PLAN} tasks have the same abstract plan")
        shingles = _shingles(task.request)
        for other in self._requests.get(task.abstract_plan, []):
            if len(shingles & other) / max(1, len(shingles | other)) >= NEAR:
                return Verdict(gate="uniqueness", passed=False, reason="the request is nearly that of another task")
        return Verdict(gate="uniqueness", passed=True)

    def guesser(self, task: Task) -> Verdict | None:
        """A failed leakage verdict if always giving this answer would be right too often, else None."""
        if self._answers[hash_json(task.answer)] >= self._limit:
            return Verdict(
                gate="leakage", passed=False, reason=f"{self._limit} tasks have this answer: a guesser would be right"
            )
        return None

    def take(self, task: Task) -> None:
        """Count an admitted task."""
        self._solutions.add(hash_json([[[n.server, n.tool, n.arguments] for n in task.plan], task.answer]))
        self._plans[task.abstract_plan] += 1
        self._answers[hash_json(task.answer)] += 1
        self._requests.setdefault(task.abstract_plan, []).append(_shingles(task.request))


def _shingles(text: str) -> frozenset[str]:
    words = text.lower().split()
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))
