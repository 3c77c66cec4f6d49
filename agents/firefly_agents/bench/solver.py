"""The offline explorer's model as a solver, and a blind one: baselines that call tools and need no key.

``planner`` reads the request as a person would who knows no language: each clause names a tool by its words, each literal
belongs to the argument whose name stands before it, and each field of the answer is the value whose name fits best in what came
back. It knows nothing of the recording. ``random`` calls any offered tools and answers with any values that they returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from agents import Model, TResponseInputItem
from firefly_agents.bench.agent import AgentSubject
from firefly_agents.bench.clauses import Clause, best_tool, clauses_of
from firefly_agents.bench.subjects import Desk
from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.draft import EpisodeState, Wish
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.model import OfflineModel
from firefly_agents.offline.planner import EpisodePlanner, Step
from firefly_agents.offline.seen import Seen
from firefly_agents.offline.slots import ToolInfo
from firefly_agents.offline.wanderer import Wanderer
from firefly_agents.offline.words import telling, words
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import ToolKey

_RANDOM_CALLS = 3


class SolverModel(OfflineModel):
    """Calls what its planner plans, and ends with an answer made of what was seen."""

    def __init__(self, planner: EpisodePlanner, names: Mapping[ToolKey, str], answer: Callable[[], JsonObject]) -> None:
        """Speak for a planner; ``answer`` is asked when it has nothing more to call."""
        super().__init__(planner, names)
        self._answer = answer

    def _turn(self, items: str | list[TResponseInputItem]) -> ResponseFunctionToolCall | ResponseOutputMessage:
        turn = super()._turn(items)
        if isinstance(turn, ResponseOutputMessage):
            turn.content = [ResponseOutputText(text=text(self._answer()), type="output_text", annotations=[])]
        return turn


def planner_subject() -> AgentSubject:
    """The baseline ``planner``. Deterministic: the same task and attempt give the same calls and answer."""
    return AgentSubject("planner", _planner)


def random_subject() -> AgentSubject:
    """The baseline ``random``. Its dice are thrown from the task's id and the attempt's number."""
    return AgentSubject("random", _random)


def _planner(task: Task, desk: Desk, attempt: int) -> Model:
    infos, names = _offered(desk)
    rng = Random(f"{task.id}/{attempt}/planner")
    clauses = clauses_of(task.request)
    chosen = [(best_tool(clause, infos), clause) for clause in clauses]
    steps = [Step(key) for key, _ in chosen if key is not None]
    stated = StatedArguments(ValueMemory(), {key: clause for key, clause in reversed(chosen) if key is not None}, clauses)
    planner = EpisodePlanner(infos, stated, rng, steps=steps, length=min(len(steps), desk.limits.calls), repeats=2, retries=0)

    def answer() -> JsonObject:
        return best_answer(task.answer_schema, planner.state.seen)

    return SolverModel(planner, names, answer)


def _random(task: Task, desk: Desk, attempt: int) -> Model:
    infos, names = _offered(desk)
    rng = Random(f"{task.id}/{attempt}/random")
    length = min(_RANDOM_CALLS, desk.limits.calls)
    planner = Wanderer(infos, ArgumentPlanner(ValueMemory(), curious=True), rng, length=length)

    def answer() -> JsonObject:
        return any_answer(task.answer_schema, planner.state.seen, rng)

    return SolverModel(planner, names, answer)


def _offered(desk: Desk) -> tuple[dict[ToolKey, ToolInfo], dict[ToolKey, str]]:
    names = {tool.key: name for name, tool in desk.tools.items()}
    infos = {
        tool.key: ToolInfo(tool.key, name, tool.description, tool.input_schema, tool.annotations)
        for name, tool in desk.tools.items()
    }
    return infos, names


class StatedArguments(ArgumentPlanner):
    """Plans arguments as the explorer does, and puts what the request states in their place."""

    def __init__(self, memory: ValueMemory, by_tool: Mapping[ToolKey, Clause], clauses: Sequence[Clause]) -> None:
        """``by_tool`` is the clause that named a tool; where it does not state a value, the others may."""
        super().__init__(memory)
        self._by_tool = dict(by_tool)
        self._clauses = list(clauses)

    def arguments(
        self, tool: ToolInfo, state: EpisodeState, rng: Random, wishes: Sequence[Wish] = (), *, attempt: int = 0
    ) -> JsonObject | None:
        """What is stated, by the name before it; what came back, where it fits; of the rest only what must be given."""
        planned = super().arguments(tool, state, rng, wishes, attempt=attempt)
        own = self._by_tool.get(tool.key)
        said = {**_said(tool, self._clauses), **(_said(tool, [own]) if own is not None else {})}
        if planned is None and not all(slot.name in said for slot in tool.needed()):
            return None
        kept = {slot.name: (planned or {})[slot.name] for slot in tool.needed() if slot.name in (planned or {})}
        return {**kept, **said}


def _said(tool: ToolInfo, clauses: Sequence[Clause]) -> JsonObject:
    """The values that clauses state for arguments of a tool."""
    found: JsonObject = {}
    for slot in tool.slots:
        name = words(slot.name)
        for clause in clauses:
            for before, value in clause.literals:
                if name and tuple(before[-len(name) :]) == tuple(name) and slot.name not in found:
                    found[slot.name] = value
    return found


def best_answer(schema: JsonObject, seen: list[Seen]) -> JsonObject:
    """For each field the value of its type whose name shares the most words with it; of equals the latest."""
    out: JsonObject = {}
    for name, field in schema["properties"].items():
        asked = telling(name) | telling(str(field.get("description", "")))
        fits = [item for item in seen if _of_type(item.value, field)]
        if fits:
            out[name] = max(enumerate(fits), key=lambda pair: (_nearness(name, asked, pair[1]), pair[0]))[1].value
        else:
            out[name] = None
    return out


def any_answer(schema: JsonObject, seen: list[Seen], rng: Random) -> JsonObject:
    """For each field any value of its type."""
    out: JsonObject = {}
    for name, field in schema["properties"].items():
        fits = [item.value for item in seen if _of_type(item.value, field)]
        out[name] = rng.choice(fits) if fits else None
    return out


def _nearness(name: str, asked: frozenset[str], item: Seen) -> float:
    return 3.0 * (item.name == name) + 1.0 * len(asked & item.words) + 0.3 * len(asked & item.context) - 0.5 * item.echo


def _of_type(value: Any, field: JsonObject) -> bool:
    kind = field.get("type")
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, int | float)
    return isinstance(value, str) if kind == "string" else True
