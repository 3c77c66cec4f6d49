"""Splits: ``train``, ``test`` and ``test_server``, so that nothing that is tested was there to be learnt.

``test_server`` has every task that uses a server of a held-out family; no such server is in another split. ``test`` has
servers that training knows, but sub-DAGs and answering calls of its own. No sub-DAG, no near-duplicate request and no answering
call is in two splits: tasks that share one are put on one side together, and where that cannot be, as few as can be are dropped
and counted. Rows are never drawn: the same tasks get the same splits, in whatever order they come.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from firefly_mcp.dataset.near import near_pairs
from firefly_mcp.dataset.traits import Traits
from firefly_mcp.dataset.union import Union
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.model import Task

TRAIN, TEST, TEST_SERVER = "train", "test", "test_server"
SPLITS = (TRAIN, TEST, TEST_SERVER)
TEST_SHARE = 0.08
SERVER_SHARE = 0.06
"""Larger tests cost more tasks: what is dropped between splits grows with what is held out."""
ATTEMPTS = 16
"""Families and sub-DAGs are held out in so many ways; that by which least is lost is taken."""
Links = Mapping[str, Mapping[str, list[str]]]
"""By kind of what may be in one split only, and by what it is: the tasks that have it."""
Peers = Mapping[str, set[str]]
_LARGEST = 0.9
"""A group of connected tasks that is larger than this part of a test split is not taken whole."""
_MOST = 0.3
"""No family is held out that has more than this part of all tasks."""


@dataclass
class Splits:
    """Where each task goes.

    Attributes:
        of: the split by task id; a dropped task is not in it.
        dropped: why a task is in no split, by task id.
        held_out: the families of ``test_server``.
    """

    of: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)

    def applied(self, tasks: Iterable[Task]) -> list[Task]:
        """The tasks that are in a split, each with its name."""
        return [task.model_copy(update={"split": self.of[task.id]}) for task in tasks if task.id in self.of]

    def to_json(self) -> JsonObject:
        """Counts for a report."""
        return {
            "splits": {name: found for name in SPLITS if (found := Counter(self.of.values())[name])},
            "held_out_families": self.held_out,
            "dropped": dict(Counter(self.dropped.values())),
        }


def split(tasks: Sequence[Traits], *, seed: int = 0) -> Splits:
    """Give every task a split.

    Args:
        tasks: what splits must know of them.
        seed: another seed holds out other families and sub-DAGs.
    """
    ordered = sorted(tasks, key=lambda task: task.id)
    links = links_of(ordered)
    peers = _peers(ordered, links)
    found = [_attempt(ordered, links, peers, f"{seed}.{attempt}") for attempt in range(ATTEMPTS)]
    return min(found, key=lambda one: _cost(one, len(ordered)))


def _attempt(tasks: Sequence[Traits], links: Links, peers: Peers, seed: str) -> Splits:
    out = Splits(held_out=_held_out(tasks, peers, seed))
    away = set(out.held_out)
    for task in tasks:
        if task.families & away:
            out.of[task.id] = TEST_SERVER
    rest = [task for task in tasks if task.id not in out.of]
    out.of.update((task.id, TRAIN) for task in rest)
    out.of.update((task, TEST) for task in _tested(rest, links, seed))
    _part(out, links)
    return out


def _cost(found: Splits, tasks: int) -> float:
    """What is lost by splits: tasks that are dropped, and tasks that a test is short of."""
    sizes = Counter(found.of.values())
    short = max(0.0, SERVER_SHARE * tasks - sizes[TEST_SERVER]) + max(0.0, TEST_SHARE * tasks - sizes[TEST])
    return len(found.dropped) + short


def links_of(tasks: Sequence[Traits]) -> Links:
    """What may be in one split only, by kind and then by what it is: the ids of the tasks that have it, two at least."""
    found: dict[str, dict[str, list[str]]] = {"sub-DAG": defaultdict(list), "answering call": defaultdict(list)}
    for task in tasks:
        found["sub-DAG"][task.sub_dag].append(task.id)
        for call in sorted(task.answering):
            found["answering call"][call].append(task.id)
    pairs = near_pairs([task.request for task in tasks])
    found["request"] = {f"{tasks[one].id} {tasks[other].id}": [tasks[one].id, tasks[other].id] for one, other in pairs}
    return {kind: {what: ids for what, ids in sorted(by.items()) if len(ids) > 1} for kind, by in found.items()}


def _held_out(tasks: Sequence[Traits], peers: Peers, seed: str) -> list[str]:
    """Whole families, until they have their share of the tasks; never one that would have much more than that by itself.

    The first comes by the seed. Then comes, each time, the family by which the smallest part of the tasks that it brings would
    share something with a task outside: families whose servers are used together are held out together.
    """
    users: dict[str, set[str]] = defaultdict(set)
    for task in tasks:
        for family in task.families:
            users[family].add(task.id)
    wanted = SERVER_SHARE * len(tasks)
    order = sorted(users, key=lambda name: _order(seed, "family", name))
    held: list[str] = []
    inside: set[str] = set()

    def loss(family: str) -> float:
        brought = users[family] - inside
        return sum(not peers[task] <= inside | brought for task in brought) / max(1, len(brought))

    while len(inside) < wanted and len(held) + 1 < len(order):
        fitting = [name for name in order if name not in held and len(inside | users[name]) <= 1.2 * wanted]
        if not fitting:
            break
        chosen = min(fitting, key=loss) if held else fitting[0]
        held.append(chosen)
        inside |= users[chosen]
    if len(inside) < 0.6 * wanted and len(order) > len(held) + 1:
        # The families left are all large: the smallest of them, unless that is most of the set.
        smallest = min((name for name in order if name not in held), key=lambda name: len(inside | users[name]))
        if len(inside | users[smallest]) <= _MOST * len(tasks):
            held.append(smallest)
    return sorted(held)


def _peers(tasks: Sequence[Traits], links: Links) -> Peers:
    """For each task all that it is linked to, itself among them."""
    found: dict[str, set[str]] = {task.id: {task.id} for task in tasks}
    for by in links.values():
        for ids in by.values():
            for task in ids:
                found[task].update(ids)
    return found


def _tested(tasks: Sequence[Traits], links: Links, seed: str) -> set[str]:
    """Which of the tasks over known servers are kept for the test."""
    known = {task.id for task in tasks}
    wanted = TEST_SHARE * len(tasks)
    units: Union[str] = Union(sorted({task.sub_dag for task in tasks}))
    shape = {task.id: task.sub_dag for task in tasks}
    for what in ("request", "answering call"):
        for ids in links[what].values():
            units.join(shape[task] for task in ids if task in known)
    members: dict[str, list[str]] = defaultdict(list)
    for task in tasks:
        members[units.root(task.sub_dag)].append(task.id)
    taken: set[str] = set()
    large = []
    for root in sorted(members, key=lambda name: _order(seed, "group", name)):
        if len(members[root]) > _LARGEST * wanted:
            large.append(root)
        elif len(taken) + len(members[root]) <= wanted:
            taken.update(members[root])
    if len(taken) < 0.8 * wanted:
        _set_apart([task for task in tasks if units.root(task.sub_dag) in large], links, taken, wanted, seed)
    return taken


def _set_apart(tasks: Sequence[Traits], links: Links, taken: set[str], wanted: float, seed: str) -> None:
    """Take regions of large connected groups until the test has its share; what is linked across is dropped later.

    A region grows each time by the sub-DAG that leaves the fewest links to the rest (greedy graph growing; Karypis and Kumar,
    1998).
    """
    shape = {task.id: task.sub_dag for task in tasks}
    members: dict[str, list[str]] = defaultdict(list)
    for task in tasks:
        members[task.sub_dag].append(task.id)
    linked: dict[str, Counter[str]] = {name: Counter() for name in members}
    for what in ("request", "answering call"):
        for ids in links[what].values():
            touched = Counter(shape[task] for task in ids if task in shape)
            for one in touched:
                for other, count in touched.items():
                    if one != other:
                        linked[one][other] += count
    order = {name: _order(seed, "shape", name) for name in members}
    total = {name: sum(counts.values()) for name, counts in linked.items()}
    inside: Counter[str] = Counter()
    free = set(members)
    while free and len(taken) < wanted:
        # Out of touch with the region, a new one begins where the order says.
        near = [name for name in inside if name in free]
        grown = (
            min(near, key=lambda name: (total[name] - 2 * inside[name], order[name]))
            if near
            else min(free, key=order.__getitem__)
        )
        free.remove(grown)
        if len(taken) + len(members[grown]) > 1.1 * wanted:
            continue
        taken.update(members[grown])
        inside.update(linked[grown])


def _part(out: Splits, links: Links) -> None:
    """Drop what is still shared between splits: each time the task that shares with most others (greedy vertex cover)."""
    across: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, by in links.items():
        for ids in by.values():
            for one in ids:
                for other in ids:
                    if out.of[one] != out.of[other]:
                        across[one].setdefault(other, kind)
    waiting = [(-len(others), task) for task, others in across.items()]
    heapq.heapify(waiting)
    while waiting:
        degree, task = heapq.heappop(waiting)
        others = across[task]
        if -degree != len(others):  # some were dropped meanwhile
            if others:
                heapq.heappush(waiting, (-len(others), task))
            continue
        other = min(others)
        out.dropped[task] = f"shares its {others[other]} with {out.of[other]}"
        for one in others:
            del across[one][task]
        others.clear()
    for task in out.dropped:
        del out.of[task]


def _order(seed: str, what: str, name: str) -> str:
    return hashlib.blake2b(f"{seed} {what} {name}".encode(), digest_size=8).hexdigest()
