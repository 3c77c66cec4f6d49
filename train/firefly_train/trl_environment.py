"""Tasks as environments of TRL's ``GRPOTrainer(environment_factory=...)``, which is also OpenEnv's way into TRL.

    tasks = TrlTasks(read_tasks("tasks.jsonl"), recording, url)
    GRPOTrainer(model, args=..., train_dataset=Dataset.from_list(tasks.rows("train")), environment_factory=tasks.factories())

TRL reads tools off an environment's methods. Every set of tools that tasks offer is therefore a class of its own, made here
with one method for each tool; a row's ``environment`` names its class. TRL 1.16; the replay proxy must run (``firefly replay
--http``).
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Sequence
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.environment import Attempt, Attempts

_TYPES: dict[Any, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list[Any],
    "object": dict[str, Any],
}


class TrlTasks:
    """Tasks as TRL takes them."""

    def __init__(self, tasks: Sequence[Task], recording: Recording, url: str) -> None:
        """Make the classes.

        Args:
            tasks: proven with the recording.
            recording: where tools' schemas come from.
            url: the replay proxy of that recording.

        Raises:
            TaskError: a task does not belong to the recording, or a tool's name or argument cannot be a Python name.
        """
        self._shown = demonstrate(tasks, recording)
        self._tasks = {task.id: task for task in tasks}
        self._attempts = Attempts(url)
        self._classes = {_set_of(shown): shown.tools for shown in self._shown}
        for tools in self._classes.values():
            _check(tools)

    def rows(self, split: str) -> list[JsonObject]:
        """Rows of a data set: ``prompt``, ``environment`` and ``task_id``."""
        return [
            {"prompt": shown.messages[:2], "environment": _set_of(shown), "task_id": shown.task.id}
            for shown in self._shown
            if shown.task.split == split
        ]

    def factories(self) -> dict[str, Callable[[], Any]]:
        """What makes the environments, by the name that rows give."""
        return {name: _environment_class(name, tools, self._tasks, self._attempts) for name, tools in self._classes.items()}

    def close(self) -> None:
        """Disconnect from the replay proxy."""
        self._attempts.close()


class _Environment:
    """What every environment has; TRL takes public methods other than these two for tools."""

    _tasks: dict[str, Task]
    _attempts: Attempts

    def __init__(self) -> None:
        self._attempt: Attempt | None = None

    def reset(self, task_id: str, **_: Any) -> None:
        """Begin an attempt at the row's task."""
        self._attempt = self._attempts.begin(self._tasks[task_id])

    def get_reward(self) -> float:
        """1.0 for the right answer, else 0.0."""
        return self._attempt.reward if self._attempt is not None else 0.0

    def _call(self, name: str, arguments: JsonObject) -> str:
        assert self._attempt is not None
        return self._attempts.call(self._attempt, name, arguments)


def _environment_class(name: str, tools: Sequence[JsonObject], tasks: dict[str, Task], attempts: Attempts) -> type:
    methods = {entry["function"]["name"]: _method(entry["function"]) for entry in tools}
    return type(f"Firefly_{name}", (_Environment,), {**methods, "_tasks": tasks, "_attempts": attempts})


def _method(function: JsonObject) -> Callable[..., str]:
    """A method whose signature and docstring tell what the tool's schema tells."""
    name = function["name"]
    properties = function["parameters"].get("properties") or {}
    required = set(function["parameters"].get("required") or ())

    def call(self: _Environment, **arguments: Any) -> str:
        return self._call(name, {key: value for key, value in arguments.items() if value is not None})

    keyword_only = inspect.Parameter.KEYWORD_ONLY
    ordered = sorted(properties, key=lambda argument: argument not in required)
    hints = {argument: _hint(properties[argument], argument in required) for argument in ordered}
    parameters = [
        inspect.Parameter(
            argument,
            keyword_only,
            annotation=hints[argument],
            default=inspect.Parameter.empty if argument in required else None,
        )
        for argument in ordered
    ]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    told = "\n".join(f"    {argument}: {_line(properties[argument], argument)}" for argument in ordered)
    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"{_one_line(function.get('description') or name)}\n\nArgs:\n{told}"
        if told
        else _one_line(function.get("description") or name)
    )
    call.__annotations__ = {**hints, "return": str}
    call.__signature__ = inspect.Signature([itself, *parameters], return_annotation=str)  # type: ignore[attr-defined]
    return call


def _hint(schema: Any, required: bool) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else None
    hint = _TYPES.get(kind, Any) if isinstance(kind, str) else Any
    return hint if required or hint is Any else hint | None


def _line(schema: Any, argument: str) -> str:
    said = schema.get("description") if isinstance(schema, dict) else None
    return _one_line(str(said or argument.replace("_", " ")))


def _one_line(said: str) -> str:
    return " ".join(said.split())


def _set_of(shown: Demonstration) -> str:
    """A name for the set of tools that a task offers."""
    return hash_json(sorted(entry["function"]["name"] for entry in shown.tools)).split(":")[1][:12]


def _check(tools: Sequence[JsonObject]) -> None:
    for entry in tools:
        function = entry["function"]
        for name in (function["name"], *(function["parameters"].get("properties") or {})):
            usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
            if not usable or name in ("reset", "get_reward", "self"):
                raise TaskError(
                    f"the tool {function['name']!r}: TRL takes tools from Python methods, and {name!r} is no name for one"
                )
