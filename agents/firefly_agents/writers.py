"""Writers of requests, behind one interface: the grammar, which needs no model, and a model at an endpoint.

Both keep one contract: every literal that the plan needs is stated and no other, every choice is said in words, and the answer
is not given away. What a model writes is checked by the same parts as what the grammar writes; it has a few tries, and what it
wrote last goes before the gates as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from firefly_agents.replies import Replies, each_asked
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.tasks.gates.wording import MAX_WORDS, tells
from firefly_mcp.tasks.literals import node_literals, predicates, stated_values
from firefly_mcp.tasks.model import Task, task_id
from firefly_mcp.tasks.pronouns import unresolved
from firefly_mcp.tasks.slots import difference, written
from firefly_mcp.tasks.words import goal
from firefly_mcp.types import Tool, ToolKey

OFFLINE = "offline"
TRIES = 3
_MOST_TEXT = 300
_SAID = ("path", "take", "argmin", "argmax", "first", "label")
"""What of a selection a model is told."""


class Writer(Protocol):
    """Writes the requests of drafted tasks."""

    async def write(self, tasks: Sequence[Task], tools: Mapping[ToolKey, Tool]) -> list[Task]:
        """The tasks with their requests written."""


class OfflineWriter:
    """The grammar: :mod:`firefly_mcp.tasks.request` has written the request of every draft already."""

    async def write(self, tasks: Sequence[Task], tools: Mapping[ToolKey, Tool]) -> list[Task]:
        """The tasks as they are."""
        return list(tasks)


class ModelWriter:
    """A model writes; what it wrote is checked, and it is told what was wrong."""

    def __init__(self, model: str, *, concurrency: int = 4) -> None:
        """Ask ``model`` at ``OPENAI_BASE_URL``.

        Raises:
            ModelError: no endpoint is configured.
        """
        self._replies = Replies(model, "write_request.md")
        self._concurrency = concurrency

    async def write(self, tasks: Sequence[Task], tools: Mapping[ToolKey, Tool]) -> list[Task]:
        """The tasks with requests of the model's words.

        Raises:
            ModelError: the model does not answer.
        """
        found: dict[int, Task] = {}

        async def one(number: int, task: Task) -> None:
            found[number] = await self._written(task, tools)

        await each_asked(tasks, one, self._replies, self._concurrency)
        return [found[number] for number in range(len(tasks))]

    async def _written(self, task: Task, tools: Mapping[ToolKey, Tool]) -> Task:
        question = material(task, tools)
        request = ""
        for _ in range(TRIES):
            request = " ".join((await self._replies.to(question)).split()).strip()
            problem = trouble_with(request, task, tools)
            if not problem:
                break
            question = f"{material(task, tools)}\n\nYour last wording was:\n{request}\nIt is not accepted: {problem}."
        identity = task_id(request, task.plan, task.evidence)
        return task.model_copy(update={"id": identity, "request": request})


def writer_named(name: str) -> Writer:
    """``offline``, or the name of a model.

    Raises:
        ModelError: no endpoint is configured.
    """
    return OfflineWriter() if name == OFFLINE else ModelWriter(name)


def trouble_with(request: str, task: Task, tools: Mapping[ToolKey, Tool]) -> str:
    """What is wrong with a request for this task, or the empty string."""
    missing, extra = difference(stated_values(task.plan, task.evidence, tools), request)
    if missing:
        return f"it does not state {written(missing[0])}"
    if extra:
        return f"it states {written(extra[0])}, which no step needs"
    pointing = unresolved(request)
    if pointing:
        return f"it says {pointing!r} of nothing that it named"
    if len(request.split()) > MAX_WORDS:
        return f"it has {len(request.split())} words, more than {MAX_WORDS}"
    if any(tells(request, value) for value in task.answer.values()):
        return "it gives the answer away"
    named = next((node.tool for node in task.plan if "_" in node.tool and node.tool.lower() in request.lower()), "")
    return f"it names the tool {named}" if named else ""


def material(task: Task, tools: Mapping[ToolKey, Tool]) -> str:
    """What a model is told of a task: its steps in words, with the literals as they are to be written, and what is asked."""
    places = {node.id: place for place, node in enumerate(task.plan, 1)}
    steps: list[JsonObject] = []
    for node in task.plan:
        tool = tools[node.key]
        literals = {literal.pointer.strip("/"): written(literal.value) for literal in node_literals(node, tool)}
        takes = [
            {"for": one.argument.strip("/"), "from step": places[one.source], **_choice(one.select)} for one in node.bindings
        ]
        told = {"does": goal(tool), "in its own words": tool.description[:_MOST_TEXT]}
        steps.append({"step": places[node.id], **told, "literals": literals, "takes": takes})
    properties = task.answer_schema.get("properties") or {}
    described = {name: properties.get(name, {}).get("description", name) for name in task.evidence}
    asked = [
        {"field": name, "is": described[name], "from step": places[proof.node], **_choice(proof.select)}
        for name, proof in task.evidence.items()
    ]
    data = {"steps": steps, "asked": asked, "draft": task.request}
    return f"DATA BEGINS\n{text(data)}\nDATA ENDS"


def _choice(select: JsonObject) -> JsonObject:
    """How a value is selected, with its literals as they are to be written."""
    said: JsonObject = {key: value for key, value in select.items() if key in _SAID}
    conditions = [{"field": field, "is": written(value)} for field, value in predicates(select)]
    return {**said, "where": conditions} if conditions else said
