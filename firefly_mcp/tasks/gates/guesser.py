"""The part of leakage that shows over a set of tasks: how often is a guesser right who only knows the answers of the others?

For each field he answers with the value that is most frequent under its name in the other tasks' answers. Of several that are
equally frequent he picks one at random, so that he is right with their share. A task is his when all its fields are right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from firefly_mcp.canonical import hash_json
from firefly_mcp.tasks.model import Task

GUESSER_SHARE = 0.05
"""How often, of all tasks, the guesser may be right."""


class Guesser:
    """Knows the answers of a set of tasks, and says of each with which chance he has it right from the others."""

    def __init__(self, tasks: Collection[Task]) -> None:
        """Learn the answers."""
        self._values: dict[str, Counter[str]] = defaultdict(Counter)
        self._levels: dict[str, Counter[int]] = defaultdict(Counter)
        """For each name, how many values have each frequency."""
        for task in tasks:
            self._count(task, 1)

    def chance(self, task: Task) -> float:
        """The chance to be right about a task of the set, from all others."""
        found = 1.0
        for name, value in _pairs(task):
            own = self._values[name][value]
            levels = Counter(self._levels[name])
            levels[own] -= 1
            levels[own - 1] += 1
            most = max((level for level, count in levels.items() if count > 0), default=0)
            found *= 1.0 / levels[most] if most == own - 1 and most > 0 else 0.0
            if not found:
                break
        return found

    def forget(self, task: Task) -> None:
        """Take a task out of the set."""
        self._count(task, -1)

    def _count(self, task: Task, step: int) -> None:
        for name, value in _pairs(task):
            before = self._values[name][value]
            self._values[name][value] = before + step
            self._levels[name][before] -= 1
            self._levels[name][before + step] += 1


def guessable(tasks: Sequence[Task]) -> set[str]:
    """Ids of the tasks to leave out, the latest first, so that the guesser has no more than his share of the others right."""
    kept = list(tasks)
    left: set[str] = set()
    while kept:
        guesser = Guesser(kept)
        right = sum(guesser.chance(task) for task in kept)
        if right <= GUESSER_SHARE * len(kept):
            break
        before = len(left)
        for task in reversed(kept):
            if right <= GUESSER_SHARE * (len(tasks) - len(left)):
                break
            chance = guesser.chance(task)
            if chance > 0:
                guesser.forget(task)
                left.add(task.id)
                right -= chance
        if len(left) == before:
            break
        kept = [task for task in tasks if task.id not in left]
    return left


def _pairs(task: Task) -> list[tuple[str, str]]:
    return [(name, hash_json(value)) for name, value in task.answer.items()]
