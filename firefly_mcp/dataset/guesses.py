"""What a guesser scores: it calls nothing and answers each field with what the other tasks of the set answer most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.reward import reward
from firefly_mcp.tasks.model import Task


class Guesser:
    """Knows how often each value answers each field in a set."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Count the answers of these tasks."""
        self._values: dict[str, Counter[str]] = defaultdict(Counter)
        for task in tasks:
            for name, value in task.answer.items():
                self._values[name][text(value)] += 1

    def guess(self, task: Task, attempt: int = 0) -> JsonObject:
        """The most frequent values, the task's own answer not counted; the next frequent ones in later attempts."""
        found: JsonObject = {}
        for name, value in task.answer.items():
            others = (self._values[name] - Counter([text(value)])).most_common()
            found[name] = loads(others[attempt % len(others)][0]) if others else None
        return found


def guessed(tasks: Sequence[Task]) -> set[str]:
    """The ids of the tasks that the guesser has right."""
    guesser = Guesser(tasks)
    return {task.id for task in tasks if reward(guesser.guess(task), task.answer, task.answer_schema) == 1.0}
