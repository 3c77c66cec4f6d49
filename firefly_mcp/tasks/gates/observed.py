"""What a task's plan observes when it is followed through the recording: each node's recorded call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Replay
from firefly_mcp.tasks.gates.grounds import Grounds
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.types import Call, MatchKind, Tool, ToolKey, params_of


class PlanBrokenError(Exception):
    """The plan cannot be followed through the recording; the text says at which node and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node as it was followed."""

    call: Call
    arguments: JsonObject
    state_key: str
    bound: dict[str, Any]
    """The value that each binding gave, by the argument's pointer."""


@dataclass(frozen=True)
class Observed:
    """A task's plan as the recording answers it."""

    grounds: Grounds
    steps: dict[str, Step]

    @property
    def replay(self) -> Replay:
        """The replay that answered."""
        return self.grounds.replay

    @property
    def tools(self) -> dict[ToolKey, Tool]:
        """Every tool of the recording."""
        return self.replay.index.tools

    def result(self, node: str) -> JsonObject:
        """The recorded result of a node."""
        return self.steps[node].call.result or {}

    def shows(self, node: str, value: Any) -> bool:
        """Whether a value stands in the result of a node."""
        return self.grounds.shown(self.result(node), self.steps[node].call.result_hash).holds(value)

    def digest(self) -> str:
        """The digest of the calls that the plan needs: their tools, canonical calls and results, in order."""
        calls = [step.call for step in self.steps.values()]
        return hash_json([[call.server, call.tool, call.args_hash, call.result_hash] for call in calls])


def observe(task: Task, replay: Replay, grounds: Grounds | None = None) -> Observed:
    """Follow the plan with exact matches in the strict state.

    Args:
        task: the task.
        replay: of the recording that proves it.
        grounds: of that replay, where many tasks are judged.

    Raises:
        PlanBrokenError: a call is not recorded in this state, a selection does not give one value, or a tool is not offered.
    """
    session = replay.session()
    steps: dict[str, Step] = {}
    offered = set(task.tools)
    for node in task.plan:
        tool = replay.index.tools.get(node.key)
        if tool is None:
            raise PlanBrokenError(f"{node.id}: the recording has no tool {node.key}")
        if node.exposed_name not in offered:
            raise PlanBrokenError(f"{node.id}: the task does not offer {node.exposed_name}")
        if node.id in steps:
            raise PlanBrokenError(f"{node.id}: two nodes have this id")
        try:
            values = [(binding, select(steps[binding.source].call.result or {}, binding.select)) for binding in node.bindings]
            arguments = bind(node.arguments, values)
        except (SelectionError, KeyError, IndexError, ValueError, TypeError) as error:
            raise PlanBrokenError(f"{node.id}: a binding fails: {error}") from error
        params = params_of(node.tool, arguments)
        state_key = session.state_key(node.server, node.tool)
        answer = session.answer(node.server, "tools/call", params)
        if answer.call is None or answer.kind is not MatchKind.EXACT:
            why = answer.miss.message if answer.miss else f"matched only as {answer.kind}"
            raise PlanBrokenError(f"{node.id}: {why}")
        steps[node.id] = Step(answer.call, arguments, state_key, {binding.argument: value for binding, value in values})
    return Observed(grounds or Grounds(replay), steps)
