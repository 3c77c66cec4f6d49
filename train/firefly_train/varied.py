"""Variations of tasks: other values in the same plans, over a recording that holds them beside what was recorded.

Reward on recorded values alone teaches those values. Here they get others (:class:`firefly_train.vary.Variations`): in the
request, in the calls and in their results, which are written into a copy of the recording as sessions of their own. Labels are
computed by executing the plan on that copy, and each task is asked every gate that its original passes, but not that of
stability, since nothing here was observed at a live server. For training only: what a model can do is measured on recorded
values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.merge import merge
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.gates import Grounds, Observed, PlanBrokenError, observe
from firefly_mcp.tasks.model import Source, Task
from firefly_mcp.tasks.proof import objections, strict_replay
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.types import params_of
from firefly_train.demonstrations import demonstrate
from firefly_train.swaps import Swaps
from firefly_train.vary import Variations, other_tools

_UNASKED = {"stability"}


def varied(tasks: Sequence[Task], store: Path, out: Path, *, copies: int, seed: int) -> list[Task]:
    """Write a copy of the recording with variations of the tasks, and give those that are proven on it.

    Args:
        tasks: proven tasks of the recording; they hold in the copy as well.
        store: the recording.
        out: the copy, a new file.
        copies: variations of each task. One whose plan does not hold on the new values, or that a gate rejects, is left out.
        seed: of the values and of the order of tools.

    Raises:
        TaskError: a task was not proven with this recording.
        UsageError: ``out`` is there already.
    """
    with Recording(store) as recording:
        shown = demonstrate(tasks, recording)
        replay = strict_replay(recording)
        grounds = Grounds(replay)
        seen = [observe(task, replay, grounds) for task in tasks]
        failed = [{verdict.gate for verdict in objections(task, replay, grounds)} | _UNASKED for task in tasks]
    variations, rng = Variations(shown), random.Random(seed)
    candidates: list[tuple[Task, set[str]]] = []
    merge([store], out)
    with Recording(out) as recording:
        for at, (one, calls) in enumerate(zip(shown, seen, strict=True)):
            for copy in range(copies):
                swaps = variations.swaps(one, rng)
                names = [str(entry["function"]["name"]) for entry in other_tools(one, rng)]
                if swaps.others:
                    _record(recording, tasks[at], calls, swaps)
                    other = _varied(tasks[at], swaps, [name for name in names if name != ANSWER_TOOL], copy)
                    candidates.append((other, failed[at]))
    with Recording(out) as recording:
        replay = strict_replay(recording)
        grounds = Grounds(replay)
        proven = [(task, allowed) for candidate, allowed in candidates if (task := labelled(candidate, grounds))]
        return [task for task, allowed in proven if {one.gate for one in objections(task, replay, grounds)} <= allowed]


def made_up_session(recording: Recording, task: Task) -> SessionWriter:
    """A session with the servers of a task, for calls that no server answered."""
    session = recording.begin_session("explore", labels={"made_up": True})
    for server in dict.fromkeys(node.server for node in task.plan):
        hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": server, "version": "1"}}
        session.connect(server, hello, origin=f"proven({server})")
    return session


def _record(recording: Recording, task: Task, seen: Observed, swaps: Swaps) -> None:
    session = made_up_session(recording, task)
    for node in task.plan:
        arguments = swaps.json(seen.steps[node.id].arguments)
        call = session.begin_call(node.server, "tools/call", params_of(node.tool, arguments))
        session.end_call(call, result=_result(seen.result(node.id), swaps))
    session.end()


def _result(result: JsonObject, swaps: Swaps) -> JsonObject:
    other = dict(result)
    if "structuredContent" in result:
        other["structuredContent"] = swaps.json(result["structuredContent"])
    said = result.get("content") or []
    other["content"] = [{**item, "text": swaps.text(item["text"])} if item.get("type") == "text" else item for item in said]
    return other


def _varied(task: Task, swaps: Swaps, tools: list[str], copy: int) -> Task:
    """The task in the words of the variation; its label is still the original's."""
    plan = [
        node.model_copy(
            update={
                "arguments": swaps.json(node.arguments),
                "bindings": [bound.model_copy(update={"select": swaps.json(bound.select)}) for bound in node.bindings],
            }
        )
        for node in task.plan
    ]
    evidence = {name: proof.model_copy(update={"select": swaps.json(proof.select)}) for name, proof in task.evidence.items()}
    return task.model_copy(
        update={
            "id": f"{task.id}-{hash_json([copy, dict(swaps.others)])[-6:]}",
            "request": swaps.text(task.request),
            "plan": plan,
            "evidence": evidence,
            "tools": tools,
            "verdicts": [],
        }
    )


def labelled(task: Task, grounds: Grounds) -> Task | None:
    """The task with the label that its plan gives in another recording; None where the plan does not hold there."""
    try:
        seen = observe(task, grounds.replay, grounds)
        answer = {name: select(seen.result(proof.node), proof.select) for name, proof in task.evidence.items()}
    except (PlanBrokenError, SelectionError):
        return None
    source = Source(id=grounds.replay.recording.id, digest=seen.digest())
    return task.model_copy(update={"answer": answer, "recording": source})
