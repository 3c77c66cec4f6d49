"""Why a rollout failed: the first of these that holds is the reason that is counted.

``model``: the endpoint failed. ``budget``: calls, seconds or tokens were spent. ``proxy``: our own infrastructure failed.
``answer``: every call of the plan was made and answered, and the answer is still wrong. ``miss``: the recording was short, not
the subject: the first call that replay could not answer is one that the plan asks for, or one of a tool beside the plan whose
every value came from the request, an earlier result or the schema. ``format``: there is no answer, one that does not fit the
schema, or a tool call that is none. ``tool``: a tool of the plan was never called. ``argument``: the right tools with other
arguments than the plan's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.observe import informative, json_pointer, walk
from firefly_mcp.replay.misses import schema_problem
from firefly_mcp.reward import equal
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import PlanNode, Task
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.types import MatchKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firefly_mcp.bench.rollout import Rollout, RolloutCall

FAILURES = ("model", "budget", "proxy", "answer", "miss", "format", "tool", "argument")
"""In the order in which they are asked; ``format`` comes before ``answer`` where every call was right."""
_TELLING = 0.2
"""Values that carry less information (booleans, small numbers) are nobody's invention."""
REFUSED = ("invalid_arguments", "unknown_tool")
"""Causes of misses in which the caller was wrong, rather than the recording short."""


def failure_of(task: Task, rollout: Rollout) -> str:
    """The reason of a failed rollout."""
    if rollout.boundary in ("model", "budget", "proxy"):
        return rollout.boundary
    unfit = rollout.boundary == "format" or bool(misfit(task, rollout.answer))
    if {call.node for call in rollout.calls if not call.is_error} >= {node.id for node in task.plan}:
        return "format" if unfit else "answer"
    planned = {node.exposed_name for node in task.plan}
    missed = [call for call in rollout.calls if call.match == MatchKind.MISS and call.cause not in REFUSED]
    if missed and _recording_was_short(missed[0], planned):
        return "miss"
    if unfit:
        return "format"
    called = {call.name for call in rollout.calls}
    return "argument" if planned <= called else "tool"


def _recording_was_short(call: RolloutCall, planned: set[str]) -> bool:
    """Whether a miss is not the subject's doing. Only the first is asked of: a wrong step leads those after it astray."""
    return bool(call.node) or (call.name not in planned and not call.invented)


def misfit(task: Task, answer: JSON) -> str:
    """How an answer violates the task's schema; the empty string where it fits."""
    if not isinstance(answer, dict):
        return "the answer is not a JSON object with the fields " + ", ".join(task.answer)
    odd = sorted(set(answer) ^ set(task.answer))
    if odd:
        return f"the answer must have exactly the fields {', '.join(task.answer)}; at fault: {', '.join(map(str, odd))}"
    return schema_problem(answer, task.answer_schema)


def carried_out(task: Task, made: Sequence[tuple[str, JSON, JsonObject | None]]) -> list[str]:
    """Which node of the plan each call carries out.

    Args:
        task: the task.
        made: exposed name, arguments and result of each call in order; the result None where it failed.

    Returns:
        A node's id for each call, or the empty string. A call stands for a node if it has the node's tool and arguments, the
        bound ones as the results so far give them. Calls that failed count too, up to the first that did not.
    """
    nodes = [""] * len(made)
    results: dict[str, JsonObject] = {}
    for node in task.plan:
        wanted = _arguments(node, results)
        if wanted is None:
            continue
        for place, (name, arguments, result) in enumerate(made):
            if nodes[place] or name != node.exposed_name or not _same(arguments, wanted):
                continue
            nodes[place] = node.id
            if result is not None:
                results[node.id] = result
                break
    return nodes


def _arguments(node: PlanNode, results: dict[str, JsonObject]) -> JsonObject | None:
    try:
        return bind(node.arguments, [(one, select(results[one.source], one.select)) for one in node.bindings])
    except (SelectionError, KeyError, IndexError, ValueError):
        return None


def _same(given: JSON, wanted: JsonObject) -> bool:
    """Equal under the reward's comparison; what is null or empty may be left out."""
    if not isinstance(given, dict):
        return False
    return equal(_filled(given), _filled(wanted))


def _filled(arguments: JsonObject) -> JsonObject:
    return {name: value for name, value in arguments.items() if value not in (None, "", [], {})}


def invented(arguments: JSON, known: str) -> list[str]:
    """Pointers to the argument values that do not stand in ``known`` (request, results and definitions so far, as text).

    Values that carry no information (booleans, small numbers, the empty string) are nobody's invention.
    """
    low = known.casefold()
    return [
        json_pointer(steps)
        for steps, value in walk(arguments)
        if steps and not isinstance(value, dict | list) and informative(value) >= _TELLING and not _stands_in(value, low)
    ]


def _stands_in(value: Any, low: str) -> bool:
    if isinstance(value, str):
        return value.casefold() in low or text(value)[1:-1].casefold() in low
    spelled = {text(value)}
    if isinstance(value, float) and value.is_integer():
        spelled.add(str(int(value)))
    return any(re.search(rf"(?<![\w.]){re.escape(one)}(?:\.0+)?(?![\w.]*\d)", low) for one in spelled)
