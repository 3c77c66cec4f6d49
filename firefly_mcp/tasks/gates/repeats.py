"""Gates over a set of tasks: uniqueness (no near-duplicates) and the part of leakage that a constant guesser shows."""

from __future__ import annotations

from collections import Counter

from firefly_mcp.canonical import hash_json
from firefly_mcp.tasks.model import Task, Verdict

PER_ABSTRACT_PLAN = 6
GUESSER_SHARE = 0.05
"""How often a guesser may be right who answers each field with its most frequent value in the other tasks."""
SHINGLE = 4
NEAR = 0.85


class Repeats:
    """Takes tasks one by one and refuses those that repeat what was already taken."""

    def __init__(self, expected: int) -> None:
        """``expected`` is about how many tasks the set will have; the guesser's share is counted against it."""
        self._allowed = expected * GUESSER_SHARE
        self._repeated = 0
        self._values: set[tuple[str, str]] = set()
        self._requests: dict[str, list[frozenset[str]]] = {}
        self._solutions: set[str] = set()
        self._plans: Counter[str] = Counter()

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
        """A failed leakage verdict if its answer is known from other tasks and too many are already, else None.

        When a value is asked for twice, the guesser has both right: a repeat counts for two.
        """
        if self._is_repeat(task) and 2 * (self._repeated + 1) > self._allowed:
            return Verdict(gate="leakage", passed=False, reason="other tasks have this answer: too easily guessed")
        return None

    def _is_repeat(self, task: Task) -> bool:
        return all(pair in self._values for pair in _pairs(task))

    def take(self, task: Task) -> None:
        """Count an admitted task."""
        self._solutions.add(hash_json([[[n.server, n.tool, n.arguments] for n in task.plan], task.answer]))
        self._plans[task.abstract_plan] += 1
        self._repeated += self._is_repeat(task)
        self._values.update(_pairs(task))
        self._requests.setdefault(task.abstract_plan, []).append(_shingles(task.request))


def _pairs(task: Task) -> list[tuple[str, str]]:
    return [(name, hash_json(value)) for name, value in task.answer.items()]


def _shingles(text: str) -> frozenset[str]:
    words = text.lower().split()
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))
