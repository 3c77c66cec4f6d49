"""What of a task may not be found on two sides of a split: its plan, its request, and the calls that give its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firefly_mcp.canonical import hash_json
from firefly_mcp.dataset.families import Families
from firefly_mcp.errors import TaskError
from firefly_mcp.replay import Replay
from firefly_mcp.tasks.gates import Grounds, Observed, PlanBrokenError, observe
from firefly_mcp.tasks.model import PlanNode, Task


@dataclass(frozen=True, slots=True)
class Traits:
    """One task, as splits see it.

    Attributes:
        id: the task's.
        request: its text.
        sub_dag: hash of its tools and how they are joined, whatever the order of the calls.
        answering: the recorded calls that its answer is read from, each by server, tool, arguments and result.
        families: the families of its servers.
    """

    id: str
    request: str
    sub_dag: str
    answering: frozenset[str]
    families: frozenset[str]


def traits_of(tasks: Iterable[Task], replay: Replay, families: Families) -> list[Traits]:
    """Follow each plan through the recording, to know the calls that answer.

    Raises:
        TaskError: a task does not belong to the recording.
    """
    found = []
    grounds = Grounds(replay)
    for task in tasks:
        try:
            seen = observe(task, replay, grounds)
        except PlanBrokenError as error:
            raise TaskError(f"{replay.recording.path}: task {task.id} does not belong to this recording: {error}") from error
        kin = frozenset(families.of(node.server) for node in task.plan)
        found.append(Traits(task.id, task.request, sub_dag_of(task.plan), answering_calls(task, seen), kin))
    return found


def answering_calls(task: Task, seen: Observed) -> frozenset[str]:
    """The calls that prove the answer, with their results: the same call after another write is another one."""
    calls = [seen.steps[proof.node].call for proof in task.evidence.values()]
    return frozenset(hash_json([call.server, call.tool, call.args_hash, call.result_hash]) for call in calls)


def sub_dag_of(plan: Sequence[PlanNode]) -> str:
    """Tools and the arguments by which they are joined. Two plans that differ in the order of unrelated calls have the same."""
    known: dict[str, str] = {}
    for node in plan:
        joins = sorted([binding.argument, known[binding.source]] for binding in node.bindings)
        known[node.id] = hash_json([node.server, node.tool, joins])
    return hash_json(sorted(known.values()))
