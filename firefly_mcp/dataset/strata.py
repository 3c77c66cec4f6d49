"""Choose a few of many tasks so that every kind, split and server has its part."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from firefly_mcp.dataset.guesses import guessed
from firefly_mcp.tasks.model import Task

_ROUNDS = 20


def choose(tasks: Sequence[Task], count: int, *, seed: int = 0) -> list[Task]:
    """At most ``count`` tasks, in their order. The same seed chooses the same.

    Splits get parts in proportion to their sizes. Within a split kinds take turns, and each time the task is chosen whose
    servers were chosen least so far. Of few tasks a guesser has more right than of many, so those that it has right among
    the chosen are left out, and others are chosen in their place, until they are at most one in a hundred.
    """
    left = list(tasks)
    for _ in range(_ROUNDS):
        chosen = _draw(left, count, seed)
        easy = guessed(chosen)
        if len(easy) * 100 <= len(chosen) or len(left) - len(easy) < count:
            break
        left = [task for task in left if task.id not in easy]
    return chosen


def _draw(tasks: Sequence[Task], count: int, seed: int) -> list[Task]:
    by_split: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_split[task.split].append(task)
    used: Counter[str] = Counter()
    chosen: set[str] = set()
    for split, part in _parts({split: len(found) for split, found in by_split.items()}, count).items():
        kinds: dict[str, list[Task]] = defaultdict(list)
        for task in sorted(by_split[split], key=lambda task: _order(seed, task.id)):
            kinds[task.kind].append(task)
        for turn in range(part):
            kind = sorted(kinds)[turn % len(kinds)]
            task = min(kinds[kind], key=lambda task: max(used[server] for server in task.servers))
            kinds[kind].remove(task)
            if not kinds[kind]:
                del kinds[kind]
            used.update(task.servers)
            chosen.add(task.id)
    return [task for task in tasks if task.id in chosen]


def _parts(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Shares of ``count`` in proportion to sizes, by largest remainder; none gets more than there are."""
    total = sum(sizes.values())
    if total <= count:
        return dict(sizes)
    exact = {name: count * size / total for name, size in sizes.items()}
    parts = {name: int(share) for name, share in exact.items()}
    rest = sorted(sizes, key=lambda name: (parts[name] - exact[name], name))
    for name in rest[: count - sum(parts.values())]:
        parts[name] += 1
    return parts


def _order(seed: int, task: str) -> str:
    return hashlib.blake2b(f"{seed} {task}".encode(), digest_size=8).hexdigest()
