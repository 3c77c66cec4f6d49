"""What the drafts of a set ask for so far: no value so often that it can be guessed."""

from __future__ import annotations

import math
from collections import Counter

from firefly_mcp.tasks.fields import AnswerField

TIMES = 24
"""A value is asked for at most so many times, each time with others or after other calls."""
GUESSED = 0.2
"""A guesser who knows what was asked before, and how often, may have a draft right with this chance."""

Chosen = list[tuple[int, AnswerField]]
"""Answer fields, each with the id of the call whose result holds it."""


class Asked:
    """What earlier drafts ask for; a draft prefers what nobody asked yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._times: Counter[tuple[str, str]] = Counter()
        self._labels: Counter[str] = Counter()
        self._solutions: set[tuple[str, ...]] = set()

    def often(self, item: AnswerField) -> int:
        """How often a value was asked for."""
        return self._times[(item.label, str(item.value))]

    def fresh(self, plan: str, chosen: Chosen) -> bool:
        """Whether the plan was not asked for just this before, and something of it cannot be guessed from earlier answers."""
        if (plan, *(str(item.select) for _, item in chosen)) in self._solutions:
            return False
        if any(self.often(item) == 0 for _, item in chosen):
            return True
        chance = math.prod((self.often(item) + 1) / (self._labels[item.label] + 1) for _, item in chosen)
        return chance <= GUESSED and all(self.often(item) < TIMES for _, item in chosen)

    def take(self, plan: str, chosen: Chosen) -> None:
        """Count a draft."""
        self._solutions.add((plan, *(str(item.select) for _, item in chosen)))
        for _, item in chosen:
            self._times[(item.label, str(item.value))] += 1
            self._labels[item.label] += 1
