"""The figures of a data set: how many tasks of which kind, split, server and gate, and how evenly they are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from firefly_mcp.dataset.splits import SPLITS
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.replay import Replay
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.kinds import arithmetic, stateful
from firefly_mcp.tasks.model import Task


@dataclass(frozen=True)
class Figures:
    """Counts and shares of a data set; shares are 0..1. ``gates`` has, by gate, how many candidates it rejected."""

    tasks: int
    servers: dict[str, int]
    tools: int
    abstract_plans: int
    mean_calls: float
    several_servers: float
    stateful: float
    without_arithmetic: float
    largest_server: float
    largest_tool: float
    largest_plan: float
    kinds: dict[str, int]
    splits: dict[str, int]
    difficulties: dict[str, int]
    lengths: dict[int, int]
    gates: dict[str, int]

    def to_json(self) -> JsonObject:
        """All of them."""
        return {**self.__dict__, "lengths": {str(length): count for length, count in self.lengths.items()}}


def figures_of(tasks: Sequence[Task], replay: Replay) -> Figures:
    """Count a data set over its recording."""
    relation, tools = replay.index.relation, replay.index.tools
    number = max(1, len(tasks))
    servers = Counter(server for task in tasks for server in set(task.servers))
    used = Counter(key for task in tasks for key in {node.key for node in task.plan})
    plans = Counter(task.abstract_plan for task in tasks)
    computing = {key for key in used if key in tools and arithmetic(tools[key])}
    return Figures(
        tasks=len(tasks),
        servers=dict(servers.most_common()),
        tools=len(used),
        abstract_plans=len(plans),
        mean_calls=sum(len(task.plan) for task in tasks) / number,
        several_servers=sum(len(task.servers) > 1 for task in tasks) / number,
        # The kind was told when the task was drafted, by what its own calls were seen to change as well.
        stateful=sum(task.kind == "write_read" or stateful(task.plan, task.evidence, relation) for task in tasks) / number,
        without_arithmetic=sum(not any(node.key in computing for node in task.plan) for task in tasks) / number,
        largest_server=max(servers.values(), default=0) / number,
        largest_tool=max(used.values(), default=0) / number,
        largest_plan=max(plans.values(), default=0) / number,
        kinds=dict(Counter(task.kind for task in tasks).most_common()),
        splits=dict(sorted(Counter(task.split for task in tasks).items(), key=lambda item: _place(item[0]))),
        difficulties=dict(Counter(task.difficulty for task in tasks).most_common()),
        lengths=dict(sorted(Counter(len(task.plan) for task in tasks).items())),
        gates=rejected_by(replay.recording),
    )


def _place(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split


def rejected_by(recording: Recording) -> dict[str, int]:
    """How many candidates of the last synthesis each gate rejected."""
    # All that one synthesis stores has one time.
    rows = recording.db.execute(
        "SELECT task FROM task WHERE status = 'rejected' AND added_at = (SELECT max(added_at) FROM task)"
    )
    last = (loads(str(document)).get("verdicts") or [{}] for (document,) in rows)
    return dict(Counter(str(verdicts[-1].get("gate", "")) for verdicts in last).most_common())
