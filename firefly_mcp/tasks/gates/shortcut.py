"""The shortcut gate: a solver that does not follow the plan must fail.

It answers from the request alone, with constants, and with what any single recorded call shows that can be made from the
request's literals, by the names of the answer's fields. (The most frequent value over a set of tasks is
:class:`~firefly_mcp.tasks.gates.guesser.Guesser`.) What it has right is right by the reward's own comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import result_view, value_key, walk
from firefly_mcp.reward import equal
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.tasks.slots import slots

CONSTANTS = (0, 1, -1, True, False, None, "", "ok", "success", "done", "active", "completed", "none", "yes", "no")


def shortcut_gate(task: Task, seen: Observed) -> Verdict:
    """The shortcut solver fails at the task."""
    stated = slots(task.request)
    if _right(task, stated):
        return Verdict(gate="shortcut", passed=False, reason="the request's own values are the answer")
    if _right(task, [*CONSTANTS, task.now[:10], date.fromisoformat(task.now[:10]).year]):
        return Verdict(gate="shortcut", passed=False, reason="common constants are the answer")
    tried = 0
    known = {value_key(item) for value in stated for _, item in walk(value) if not isinstance(item, bool | dict | list)}
    for tool in seen.grounds.offered(task.tools):
        for candidate, needed in seen.grounds.openings(tool.key):
            if not needed <= known or candidate.result_hash is None:
                continue
            tried += 1
            shown = seen.grounds.shown_by(candidate.result_hash)
            if all(shown.holds(value) for value in task.answer.values()):
                result = seen.replay.recording.load_result(candidate.result_hash)
                if all(_given(task, seen, name, tool.key == _key(task, name), result) for name in task.answer):
                    return Verdict(gate="shortcut", passed=False, reason=f"one call of {tool.key} gives the answer")
    return Verdict(
        gate="shortcut", passed=True, reason=f"the request, constants and {tried} single calls do not give the answer"
    )


def _right(task: Task, guesses: list[Any]) -> bool:
    """Whether each field of the answer is among the guesses."""
    return all(any(equal(guess, value) for guess in guesses) for value in task.answer.values())


def _key(task: Task, name: str) -> Any:
    return task.node(task.evidence[name].node).key


def _given(task: Task, seen: Observed, name: str, own_tool: bool, result: JsonObject) -> bool:
    """Whether a result gives a field: where the plan looks for it, or as the only value under its name."""
    proof = task.evidence[name]
    if own_tool:
        try:
            return equal(select(result, proof.select), task.answer[name])
        except SelectionError:
            return False
    view = result_view(result)
    if view.kind == "text":
        return True  # what prose shows, a reader finds
    names = list(_names(proof.select))
    values = [
        value for steps, value in walk(view.value) if names and [s for s in steps if isinstance(s, str)][-1:] == names[-1:]
    ]
    return bool(values) and all(equal(value, task.answer[name]) for value in values)


def _names(selection: JsonObject) -> Iterator[str]:
    """The object keys that lead to a selected value."""
    for path in (str(selection.get("path", "")), str(selection.get("take", ""))):
        yield from path.replace("[*]", "").replace("['", ".").replace("']", "").split(".")[1:]
