"""The study's own split: held out by server, by sub-DAG, and by argument values."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.model import Task

SERVERS, PLANS, VALUES = "test_server", "test_plan", "test_values"
"""Held-out splits: no training task uses the server; has the same sub-DAG; makes a call with the same literal arguments."""

SEED = 7
VALUES_SHARE = 0.2


def sub_dag(task: Task) -> str:
    """The tools of the plan in order and what is bound to what, without any value."""
    return hash_json(
        [[node.server, node.tool, sorted((bound.argument, bound.source) for bound in node.bindings)] for node in task.plan]
    )


def literals(task: Task) -> set[str]:
    """The plan's calls that state a value of their own, each by a hash of its tool and its literal arguments."""
    stated = [(node, {key: value for key, value in node.arguments.items() if value is not None}) for node in task.plan]
    return {literal(node.server, node.tool, arguments) for node, arguments in stated if arguments}


def literal(server: str, tool: str, arguments: JsonObject) -> str:
    """The hash of a literal call."""
    return hash_json([server, tool, arguments])


def unseen(literal: str, seed: int = SEED, share: float = VALUES_SHARE) -> bool:
    """Whether a literal call, by its hash, is one of those that no training task may make."""
    return int(hash_bytes(f"{seed}{literal}".encode())[-8:], 16) % 1000 < 1000 * share


def divide(
    tasks: Sequence[Task], *, seed: int = SEED, plans: float = 0.2, values: float = VALUES_SHARE, servers: int = 1
) -> list[Task]:
    """Give every task its split in this study; what would leak into a held-out split is left out of training.

    Args:
        tasks: proven tasks, of whatever split.
        seed: of the choice.
        plans: the share of tasks held out with their sub-DAGs.
        values: the share of literal calls held out; a task that makes some of them and some others is left out.
        servers: how many servers are held out, of those with the fewest tasks but 12 at least.
    """
    rng = random.Random(seed)
    held = _unseen_servers(tasks, servers)
    found: dict[str, list[Task]] = {split: [] for split in ("train", PLANS, VALUES, SERVERS)}
    shapes: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        if held & set(task.servers):
            found[SERVERS].append(task)
        else:
            shapes[sub_dag(task)].append(task)
    rest = sum(map(len, shapes.values()))
    order = sorted(shapes)
    rng.shuffle(order)
    for shape in order:
        if len(found[PLANS]) < plans * rest:
            found[PLANS] += shapes[shape]
            continue
        for task in shapes[shape]:
            sides = {unseen(literal, seed, values) for literal in literals(task)}
            if len(sides) < 2:
                found[VALUES if True in sides else "train"].append(task)
    known = {sub_dag(task) for task in found["train"]}
    found[VALUES] = [task for task in found[VALUES] if sub_dag(task) in known]
    return [task.model_copy(update={"split": split}) for split, members in found.items() for task in members]


def _unseen_servers(tasks: Sequence[Task], count: int) -> set[str]:
    sizes: dict[str, int] = defaultdict(int)
    for task in tasks:
        for server in task.servers:
            sizes[server] += 1
    large = sorted((size, server) for server, size in sizes.items() if size >= 12)
    return {server for _, server in large[:count]} if len(large) > count + 1 else set()
