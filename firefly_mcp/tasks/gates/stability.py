"""The stability gate: at least two live observations, in separate sandboxes of proven origin, agree on every value used."""

from __future__ import annotations

from datetime import date
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.gates.observed import Observed, Step
from firefly_mcp.tasks.model import Task, Verdict, same_value
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.tasks.today import tells_the_day

OBSERVATIONS = 2


def stability_gate(task: Task, seen: Observed) -> Verdict:
    """Every value that the plan takes from a result was observed twice, apart, and is not the day's own."""
    used: dict[str, list[JsonObject]] = {node.id: [] for node in task.plan}
    for node in task.plan:
        for binding in node.bindings:
            used[binding.source].append(binding.select)
    for proof in task.evidence.values():
        used[proof.node].append(proof.select)
    day = date.fromisoformat(task.now[:10])
    fewest = None
    for node in task.plan:
        step = seen.steps[node.id]
        if step.call.key in seen.replay.index.relation.volatile:
            return Verdict(gate="stability", passed=False, reason=f"{node.id}: {step.call.key} is volatile")
        count, results = _observations(seen, step)
        if count < OBSERVATIONS:
            few = f"{node.id}: unproven: {count} observation of proven origin"
            return Verdict(gate="stability", passed=False, reason=few)
        for selection in used[node.id]:
            values = [_value(result, selection) for result in results]
            if any(not same_value(value, values[0]) for value in values):
                return Verdict(gate="stability", passed=False, reason=f"{node.id}: observations differ: {values[:2]!r}")
            own = tells_the_day(values[0], day, step.arguments, f"{selection.get('label', '')} {selection.get('path', '')}")
            if own and not any(str(values[0])[:10] in str(v) for v in _known(task)):
                return Verdict(gate="stability", passed=False, reason=f"{node.id}: {values[0]!r} is the day of the recording")
        fewest = count if fewest is None else min(fewest, count)
    return Verdict(gate="stability", passed=True, reason=f"at least {fewest} observations of each call agree")


def _observations(seen: Observed, step: Step) -> tuple[int, list[JsonObject]]:
    """In how many sessions of proven origin, each of which has a sandbox of its own, this call was answered in this state, and
    the distinct results.
    """
    index = seen.replay.index
    by_session: dict[int, str] = {}
    for candidate in index.exact(step.call.key, step.call.args_hash):
        link = index.connections.get((candidate.session, step.call.server))
        proven = link is not None and link.origin.startswith("proven(")
        if proven and candidate.state_key == step.state_key and candidate.outcome.startswith("blake2b:"):
            by_session.setdefault(candidate.session, candidate.outcome)
    distinct = dict.fromkeys(by_session.values())
    return len(by_session), [seen.replay.recording.load_result(outcome) for outcome in distinct]


def _value(result: JsonObject, selection: JsonObject) -> Any:
    try:
        return select(result, selection)
    except SelectionError as error:
        return {"error": str(error)}


def _known(task: Task) -> list[Any]:
    return [node.arguments for node in task.plan] + [task.request]
