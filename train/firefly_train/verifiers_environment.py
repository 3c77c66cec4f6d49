"""Tasks as an environment of the library verifiers (0.2), which prime-rl and its own trainers and evaluators take.

    environment = load_environment(tasks="tasks.jsonl", store="firefly.db", url="http://127.0.0.1:8000/mcp")

The replay proxy must run (``firefly replay --http``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import verifiers as vf
from datasets import Dataset
from verifiers.types import Tool, ToolMessage

from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks
from firefly_train.connection import Connections
from firefly_train.dataset import TRAIN
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.environment import Attempt

_ATTEMPT, _OPEN = "firefly_attempt", "firefly_connection"


def load_environment(tasks: str, store: str, url: str, max_turns: int = 12) -> vf.Environment:
    """The environment; ``dataset`` holds the training split, ``eval_dataset`` all others.

    Raises:
        TaskError, StoreError: the files do not fit one another.
    """
    read = read_tasks(Path(tasks))
    with Recording(Path(store)) as recording:
        shown = demonstrate(read, recording)
    return ReplayEnvironment(shown, url, max_turns=max_turns)


class ReplayEnvironment(vf.MultiTurnEnv):  # type: ignore[misc]
    """A trajectory calls the tools of its task in a replay session of its own, until it submits an answer or calls nothing."""

    def __init__(self, shown: list[Demonstration], url: str, **kwargs: Any) -> None:
        """Take the tasks of some demonstrations; their plans are not used."""
        self._url = url
        self._tasks = {one.task.id: one.task for one in shown}
        training = [_row(one) for one in shown if one.task.split == TRAIN]
        others = [_row(one) for one in shown if one.task.split != TRAIN]
        super().__init__(
            dataset=Dataset.from_list(training or others),
            eval_dataset=Dataset.from_list(others or training),
            rubric=vf.Rubric(funcs=[_reward], weights=[1.0]),
            **kwargs,
        )

    async def setup_state(self, state: vf.State) -> vf.State:
        """Begin the attempt: its tools, and its replay session."""
        task = self._tasks[str(state["info"]["task_id"])]
        opened = Connections.to(self._url).trajectory()
        state[_OPEN] = opened
        state[_ATTEMPT] = Attempt(task, await opened.__aenter__())
        state["tool_defs"] = [_tool(entry) for entry in loads(str(state["info"]["tools"]).encode())]
        return state

    async def env_response(self, messages: vf.Messages, state: vf.State, **_: Any) -> vf.Messages:
        """Make the calls of the last message."""
        attempt: Attempt = state[_ATTEMPT]
        said = []
        for call in messages[-1].tool_calls or ():
            try:
                arguments = loads(call.arguments.encode())
            except ValueError as error:
                arguments = error
            if isinstance(arguments, dict):
                content = await attempt.call(call.name, arguments)
            else:
                attempt.trajectory.refused += 1
                content = "error: the arguments must be a JSON object"
            said.append(ToolMessage(role="tool", content=content, tool_call_id=call.id))
        if attempt.over:
            state["final_env_response"] = said
        return said

    @vf.stop  # type: ignore[untyped-decorator]
    async def called_nothing(self, state: vf.State) -> bool:
        """Whether the last message was the final one."""
        if not state["trajectory"]:
            return False
        last = state["trajectory"][-1]["completion"][-1]
        if last.role != "assistant" or last.tool_calls:
            return False
        state[_ATTEMPT].conclude(str(last.content or ""))
        return True

    @vf.cleanup  # type: ignore[untyped-decorator]
    async def end_session(self, state: vf.State) -> None:
        """Give the connection back."""
        opened = state.pop(_OPEN, None)
        if opened is not None:
            await opened.__aexit__(None, None, None)


async def _reward(state: vf.State, **_: Any) -> float:
    attempt: Attempt | None = state.get(_ATTEMPT)
    return attempt.reward if attempt is not None else 0.0


def _row(shown: Demonstration) -> JsonObject:
    task: Task = shown.task
    return {
        "prompt": shown.messages[:2],
        "answer": text(task.answer),
        "info": {"task_id": task.id, "tools": text(shown.tools)},
    }


def _tool(entry: JsonObject) -> Tool:
    function = entry["function"]
    return Tool(name=function["name"], description=function["description"], parameters=function["parameters"])
