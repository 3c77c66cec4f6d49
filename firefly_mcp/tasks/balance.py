"""Keep a set of tasks from being about a few servers or tools: no server, tool or abstract plan has more than its share.

This is asked of a set when it is made, not of a task: a part of a balanced set needs not be balanced. What is left out keeps
its verdict, like a repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from firefly_mcp.tasks.model import Task, Verdict

SERVER_SHARE = 0.08
TOOL_SHARE = 0.02
PLAN_SHARE = 0.01
FEW = 3
"""Where there are few servers or tools, none can have a small share: each may have so many times the even one."""
SERVER_LEAST, TOOL_LEAST, PLAN_LEAST = 40, 12, 6
"""So many tasks of one server, tool or abstract plan are kept in any set, however small."""
GATE = "balance"

Kept = tuple[list[Task], list[Task]]


def balanced(tasks: Sequence[Task], count: int | None = None) -> Kept:
    """The tasks that keep to the shares, and those that had to be left out, each with the reason.

    Rare tools come first, then tasks that take little of what is scarce, then those with a state of their own and several
    servers. What a share is of is the set that is
    left, so it is counted anew until that size stands. Deterministic.

    Args:
        tasks: admitted tasks.
        count: keep at most so many.
    """
    ordered = _in_order(tasks)
    size = min(len(ordered), count or len(ordered))
    while True:
        kept, left = _within(ordered, size, tasks)
        if len(kept) >= size:
            return kept, left
        size = len(kept)


def limit(share: float, least: int, kinds: int, size: int) -> int:
    """How many of ``size`` tasks may have the same one of ``kinds`` servers, tools or plans."""
    return max(least, int(max(share, FEW / max(1, kinds)) * size))


def _within(ordered: Sequence[Task], size: int, tasks: Sequence[Task]) -> Kept:
    limits: list[tuple[str, Callable[[Task], Iterable[Hashable]], int]] = []
    shares: list[tuple[str, Callable[[Task], Iterable[Hashable]], float, int]] = [
        ("server", _servers, SERVER_SHARE, SERVER_LEAST),
        ("tool", _tools, TOOL_SHARE, TOOL_LEAST),
        ("abstract plan", _plan, PLAN_SHARE, PLAN_LEAST),
    ]
    for what, of, share, least in shares:
        kinds = len({kind for task in tasks for kind in of(task)})
        limits.append((what, of, limit(share, least, kinds, size)))
    counts: dict[str, Counter[Hashable]] = {what: Counter() for what, *_ in limits}
    kept: list[Task] = []
    left: list[Task] = []
    for task in ordered:
        reason = f"the set has its {size} tasks" if len(kept) >= size else _over(task, limits, counts)
        if reason:
            verdict = Verdict(gate=GATE, passed=False, reason=reason)
            left.append(task.model_copy(update={"verdicts": [*task.verdicts, verdict]}))
            continue
        kept.append(task)
        for what, of, _ in limits:
            counts[what].update(of(task))
    return kept, left


def _over(
    task: Task,
    limits: Iterable[tuple[str, Callable[[Task], Iterable[Hashable]], int]],
    counts: dict[str, Counter[Hashable]],
) -> str:
    for what, of, limit in limits:
        for kind in of(task):
            if counts[what][kind] >= limit:
                return f"{limit} tasks have the same {what}{'' if what == 'abstract plan' else f' {kind}'}"
    return ""


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    uses = Counter(key for task in tasks for key in _tools(task))
    servers = Counter(server for task in tasks for server in task.servers)
    crowded = {server for server, count in servers.items() if count > 0.8 * SERVER_SHARE * len(tasks)}
    plans: Counter[str] = Counter()
    ranked = []
    for place, task in enumerate(tasks):
        plan = task.abstract_plan
        wanted = (task.kind == "write_read") + (len(task.servers) > 1) + (len(task.plan) > 2)
        ranked.append(
            (
                (
                    min(FEW + 1, *(uses[key] for key in _tools(task))),
                    len(crowded & set(task.servers)) > 1,
                    plans[plan],
                    -wanted,
                    place,
                ),
                task,
            )
        )
        plans[plan] += 1
    return [task for _, task in sorted(ranked, key=lambda pair: pair[0])]


def _servers(task: Task) -> Iterable[str]:
    return task.servers


def _tools(task: Task) -> Iterable[Hashable]:
    return {node.key for node in task.plan}


def _plan(task: Task) -> Iterable[str]:
    return (task.abstract_plan,)
