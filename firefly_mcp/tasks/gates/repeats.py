"""The gate of uniqueness over a set of tasks: none is nearly the same as another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from firefly_mcp.canonical import hash_json
from firefly_mcp.tasks.model import Task, Verdict

PER_ABSTRACT_PLAN = 6
SHINGLE = 4
NEAR = 0.85


class Repeats:
    """Takes tasks one by one and refuses those that repeat what was already taken."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ids: set[str] = set()
        self._requests: set[str] = set()
        self._near: dict[str, list[frozenset[str]]] = defaultdict(list)
        self._solutions: set[str] = set()
        self._plans: Counter[str] = Counter()

    def uniqueness(self, task: Task) -> Verdict:
        """Refuse a task that asks the same, or nearly the same, as one that was taken."""
        reason = self._repeats(task)
        compared = len(self._near.get(_tools(task), ()))
        return Verdict(gate="uniqueness", passed=not reason, reason=reason or f"unlike {compared} tasks over the same tools")

    def _repeats(self, task: Task) -> str:
        if task.id in self._ids:
            return "another task has the same id"
        if _plain(task.request) in self._requests:
            return "another task has the same request"
        if _solution(task) in self._solutions:
            return "another task has the same calls and answer"
        if self._plans[task.abstract_plan] >= PER_ABSTRACT_PLAN:
            return f"{PER_ABSTRACT_PLAN} tasks have the same abstract plan"
        shingles = _shingles(task.request)
        for other in self._near.get(_tools(task), ()):
            if len(shingles & other) / max(1, len(shingles | other)) >= NEAR:
                return "the request is nearly that of another task"
        return ""

    def take(self, task: Task) -> None:
        """Count an admitted task."""
        self._ids.add(task.id)
        self._requests.add(_plain(task.request))
        self._solutions.add(_solution(task))
        self._plans[task.abstract_plan] += 1
        self._near[_tools(task)].append(_shingles(task.request))


def _solution(task: Task) -> str:
    """What is called, in whatever order, and what comes of it, however the fields are called."""
    return hash_json(
        [
            sorted(hash_json([n.server, n.tool, n.arguments]) for n in task.plan),
            sorted(hash_json(value) for value in task.answer.values()),
        ]
    )


def _tools(task: Task) -> str:
    return hash_json(sorted([node.server, node.tool] for node in task.plan))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+(?:[.,:-]\w+)*", text.lower()))


def _shingles(text: str) -> frozenset[str]:
    words = _plain(text).split()
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))
