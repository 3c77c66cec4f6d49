"""The study's own split: held out by server, by sub-DAG, and by argument values."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from firefly_mcp.canonical import hash_json
from firefly_mcp.tasks.model import Task

SERVERS, PLANS, VALUES = "test_server", "test_plan", "test_values"
"""Held-out splits: no training task uses the server; has the same sub-DAG; makes a call with the same literal arguments."""


def sub_dag(task: Task) -> str:
    """The tools of the plan in order and what is bound to what, without any value."""
    return hash_json(
        [[node.server, node.tool, sorted((bound.argument, bound.source) for bound in node.bindings)] for node in task.plan]
    )


def literals(task: Task) -> set[str]:
    """The plan's calls that state a value of their own, each by a hash of its tool and its literal arguments."""
    stated = [(node, {key: value for key, value in node.arguments.items() if value is not None}) for node in task.plan]
    return {hash_json([node.server, node.tool, arguments]) for node, arguments in stated if arguments}


def divide(tasks: Sequence[Task], *, seed: int, plans: float = 0.2, values: float = 0.15, servers: int = 1) -> list[Task]:
    """Give every task its split in this study; what would leak into a held-out split is left out of training.

    Args:
        tasks: proven tasks, of whatever split.
        seed: of the choice.
        plans: the share of sub-DAGs held out.
        values: the share of the other tasks held out for their argument values.
        servers: how many servers are held out, of those with the fewest tasks but 12 at least.
    """
    rng = random.Random(seed)
    unseen = _unseen_servers(tasks, servers)
    by_server = [task for task in tasks if unseen & set(task.servers)]
    rest = [task for task in tasks if not unseen & set(task.servers)]
    shapes: dict[str, list[Task]] = defaultdict(list)
    for task in rest:
        shapes[sub_dag(task)].append(task)
    order = sorted(shapes)
    rng.shuffle(order)
    new_plans: list[Task] = []
    kept: list[Task] = []
    for shape in order:
        (new_plans if len(new_plans) < plans * len(rest) else kept).extend(shapes[shape])
    kept = sorted(kept, key=lambda task: task.id)
    rng.shuffle(kept)
    new_values: list[Task] = []
    taken: set[str] = set()
    for task in kept:
        if len(taken) < values * len(kept) and literals(task):
            new_values.append(task)
            taken |= literals(task)
    told = {task.id for task in new_values}
    # A task whose literal calls are all held out is held out as well; one that shares some of them is dropped.
    new_values += [task for task in kept if task.id not in told and literals(task) and literals(task) <= taken]
    told = {task.id for task in new_values}
    training = [task for task in kept if task.id not in told and not literals(task) & taken]
    return [
        task.model_copy(update={"split": split})
        for split, found in (("train", training), (PLANS, new_plans), (VALUES, new_values), (SERVERS, by_server))
        for task in found
    ]


def _unseen_servers(tasks: Sequence[Task], count: int) -> set[str]:
    sizes: dict[str, int] = defaultdict(int)
    for task in tasks:
        for server in task.servers:
            sizes[server] += 1
    large = sorted((size, server) for server, size in sizes.items() if size >= 12)
    return {server for _, server in large[:count]} if len(large) > count + 1 else set()
