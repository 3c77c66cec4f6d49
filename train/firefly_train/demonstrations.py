"""Demonstrations: a task's plan followed through the recording, as the conversation a perfect model would have had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Replay
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.setting import names_of
from firefly_train.function_schema import answer_tool, function_schema, offered
from firefly_train.prompts import messages
from firefly_train.results import shown


@dataclass(frozen=True)
class Demonstration:
    """One task solved.

    ``messages`` is the whole conversation (system, user, then assistant and tool in turn, the last call being the answer),
    ``tools`` the chat template's entries of the tools offered, ``longest_result`` the most characters of any result.
    """

    task: Task
    messages: list[JsonObject]
    tools: list[JsonObject]
    longest_result: int

    @property
    def turns(self) -> int:
        """How often the model speaks."""
        return len(self.task.plan) + 1


def demonstrate(tasks: Sequence[Task], recording: Recording) -> list[Demonstration]:
    """Follow the plan of every task through the recording.

    Raises:
        TaskError: a task was not proven with this recording, or offers a tool that is not in it.
    """
    replay = strict_replay(recording)
    names = names_of(replay.index.tools)
    entries = {
        names.exposed(key): function_schema({**tool.definition, "name": names.exposed(key)})
        for key, tool in replay.index.tools.items()
    }
    return [_follow(task, replay, entries) for task in tasks]


def tool_entries(demonstrations: Iterable[Demonstration]) -> dict[str, JsonObject]:
    """The entries of every tool that any of them offers, by name."""
    found = {str(entry["function"]["name"]): entry for shown_one in demonstrations for entry in shown_one.tools}
    return dict(sorted(found.items()))


def _follow(task: Task, replay: Replay, entries: dict[str, JsonObject]) -> Demonstration:
    where = f"{replay.recording.path}: task {task.id}"
    try:
        seen = observe(task, replay)
    except PlanBrokenError as error:
        raise TaskError(f"{where} does not belong to this recording: {error}") from error
    if task.recording.digest and seen.digest() != task.recording.digest:
        raise TaskError(f"{where} was proven with other answers than this recording holds; run 'firefly verify'")
    missing = [name for name in task.tools if name not in entries]
    if missing:
        raise TaskError(f"{where} offers the tool {missing[0]!r}, which the recording does not have")
    conversation = messages(task)
    longest = 0
    for node in task.plan:
        answer = shown(seen.result(node.id))
        longest = max(longest, len(answer))
        conversation += [_call(node.exposed_name, seen.steps[node.id].arguments), {"role": "tool", "content": answer}]
    conversation.append(_call(ANSWER_TOOL, {"answer": task.answer}))
    tools = [answer_tool() if name == ANSWER_TOOL else entries[name] for name in offered(task)]
    return Demonstration(task, conversation, tools, longest)


def _call(name: str, arguments: JsonObject) -> JsonObject:
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}],
    }
