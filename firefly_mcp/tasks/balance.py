"""Keep a set of tasks from being about a few servers or tools: no server, tool or abstract plan has more than its share.

This is asked of a set when it is made, not of a task: a part of a balanced set needs not be balanced. What is left out keeps
its verdict, like a repeat.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from firefly_mcp.tasks.model import Task, Verdict

SERVER_SHARE = 0.08
TOOL_SHARE = 0.02
PLAN_SHARE = 0.01
FEW = 3
"""Where there are few servers or tools, none can have a small share: each may have so many times the even one."""
SERVER_LEAST, TOOL_LEAST, PLAN_LEAST = 40, 12, 6
"""So many tasks of one server, tool or abstract plan are kept in any set, however small."""
LONG = 3
"""Plans of so many calls are kept before shorter ones."""
HELD_OUT = ("test", "test_server")
"""Splits that are small as it is."""
GATE = "balance"

Kept = tuple[list[Task], list[Task]]


def balanced(tasks: Sequence[Task], count: int | None = None) -> Kept:
    """The tasks that keep to the shares, and those that had to be left out, each with the reason.

    While a server, tool or abstract plan has more than its share, the task goes that weighs most on what has too much and
    whose tools have the most other tasks. What a share is of is the set that is left. Deterministic.

    Args:
        tasks: admitted tasks.
        count: keep at most so many.
    """
    scale = _Scale(_in_order(tasks))
    left = []
    while found := scale.heaviest(count):
        task, reason = found
        verdict = Verdict(gate=GATE, passed=False, reason=reason)
        left.append(task.model_copy(update={"verdicts": [*task.verdicts, verdict]}))
    return scale.kept(), left


def limit(share: float, least: int, kinds: int, size: int) -> int:
    """How many of ``size`` tasks may have the same one of ``kinds`` servers, tools or plans."""
    return max(least, int(max(share, FEW / max(1, kinds)) * size))


class _Scale:
    """A set from which tasks are taken, and what each server, tool and abstract plan weighs in it."""

    def __init__(self, ordered: Sequence[Task]) -> None:
        """Weigh a set in which the tasks most worth keeping come first."""
        self._tasks = dict(enumerate(ordered))
        self._kinds: dict[int, list[tuple[str, Hashable]]] = {}
        self._of: dict[tuple[str, Hashable], set[int]] = defaultdict(set)
        for place, task in self._tasks.items():
            self._kinds[place] = [(what, kind) for what, of, *_ in _SHARES for kind in of(task)]
            for kind in self._kinds[place]:
                self._of[kind].add(place)
        self._different = Counter(what for what, _ in self._of)

    def kept(self) -> list[Task]:
        """What is left, in its order."""
        return list(self._tasks.values())

    def heaviest(self, count: int | None) -> tuple[Task, str] | None:
        """Take one task out, with the reason; None when the set is balanced and has ``count`` tasks at most."""
        most = {what: limit(share, least, self._different[what], len(self._tasks)) for what, _, share, least in _SHARES}
        over = {kind: len(places) / most[kind[0]] for kind, places in self._of.items() if len(places) > most[kind[0]]}
        if over:
            worst = max(over, key=lambda kind: (over[kind], str(kind)))
            what, kind = worst
            reason = f"{most[what]} tasks have the same {what}{'' if what == PLAN else f' {kind}'}"
            places: Iterable[int] = self._of[worst]
        elif count is not None and len(self._tasks) > count:
            reason, places = f"the set has its {count} tasks", self._tasks
        else:
            return None
        place = max(
            places,
            key=lambda place: (
                self._spare(place),
                not _scarce(self._tasks[place]),
                sum(over.get(kind, 0.0) for kind in self._kinds[place]),
                place,
            ),
        )
        for found in self._kinds.pop(place):
            self._of[found].discard(place)
        return self._tasks.pop(place), reason

    def _spare(self, place: int) -> bool:
        """Whether every tool of a task is in enough other tasks."""
        return all(len(self._of[kind]) > FEW for kind in self._kinds[place] if kind[0] == "tool")


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    uses = Counter(key for task in tasks for key in _tools(task))
    plans: Counter[str] = Counter()
    ranked = []
    for place, task in enumerate(tasks):
        plan = task.abstract_plan
        rare = min(FEW + 1, *(uses[key] for key in _tools(task)))
        ranked.append(((rare, not _scarce(task), len(task.plan) < LONG, plans[plan], len(task.servers) < 2, place), task))
        plans[plan] += 1
    return [task for _, task in sorted(ranked, key=lambda pair: pair[0])]


def _scarce(task: Task) -> bool:
    """Whether a task is of a sort of which a set never has enough: about state, or held out."""
    return task.kind == "write_read" or task.split in HELD_OUT


def _servers(task: Task) -> Iterable[str]:
    return task.servers


def _tools(task: Task) -> Iterable[Hashable]:
    return {node.key for node in task.plan}


def _plan(task: Task) -> Iterable[str]:
    return (task.abstract_plan,)


PLAN = "abstract plan"
_SHARES: tuple[tuple[str, Callable[[Task], Iterable[Hashable]], float, int], ...] = (
    ("server", _servers, SERVER_SHARE, SERVER_LEAST),
    ("tool", _tools, TOOL_SHARE, TOOL_LEAST),
    (PLAN, _plan, PLAN_SHARE, PLAN_LEAST),
)
