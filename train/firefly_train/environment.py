"""One attempt at a task, for trainers other than verl: the same prompt, tools, replay session and reward as in training here.

An environment is told by :mod:`firefly_train.trl_environment` and :mod:`firefly_train.verifiers_environment` in the words of
those libraries.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from mcp.shared.exceptions import MCPError

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.reward import reward
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task
from firefly_train.connection import ReplayConnection
from firefly_train.results import shown
from firefly_train.trajectory import Trajectory

_Result = TypeVar("_Result")
_PATIENCE = 120.0


class Attempt:
    """One trajectory in a replay session of its own."""

    def __init__(self, task: Task, connection: ReplayConnection) -> None:
        """Begin."""
        self.task = task
        self.trajectory = Trajectory()
        self._connection = connection

    async def call(self, name: str, arguments: JsonObject) -> str:
        """Call a tool, the answer channel included; gives what the model reads.

        Raises:
            OSError, httpx errors: the proxy cannot be reached.
        """
        if name == ANSWER_TOOL:
            self.trajectory.submit(arguments.get("answer"))
            return "The answer was taken."
        if name not in self.task.tools:
            self.trajectory.refused += 1
            return f"error: there is no tool {name!r} here"
        begun = time.time()
        try:
            result = await self._connection.call(name, arguments, self.trajectory.session)
        except MCPError as error:
            self.trajectory.kinds["error"] += 1
            return f"error: {error}"
        finally:
            self.trajectory.waits.append((begun, time.time()))
        self.trajectory.note(result.get("_meta") or {})
        answer = shown(result)
        self.trajectory.exchange(name, arguments, answer)
        return answer

    @property
    def over(self) -> bool:
        """Whether the answer is in."""
        return self.trajectory.submitted

    def conclude(self, final: str) -> None:
        """End with this final message, whose last JSON object is the answer where nothing was submitted."""
        self.trajectory.conclude(final)

    @property
    def reward(self) -> float:
        """1.0 or 0.0."""
        answer: JSON = self.trajectory.answer
        return reward(answer, self.task.answer, self.task.answer_schema)


class Attempts:
    """Attempts over one connection to a replay proxy, held by a thread of its own: for trainers without an event loop."""

    def __init__(self, url: str) -> None:
        """Connect to the replay proxy at ``url``."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="firefly-attempts", daemon=True)
        self._thread.start()
        self._connection = self._wait(self._connect(url))

    def begin(self, task: Task) -> Attempt:
        """A new attempt at a task."""
        return Attempt(task, self._connection)

    def call(self, attempt: Attempt, name: str, arguments: JsonObject) -> str:
        """:meth:`Attempt.call` from outside an event loop."""
        return self._wait(attempt.call(name, arguments))

    def close(self) -> None:
        """Disconnect."""
        if self._thread.is_alive():
            self._wait(self._connection.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)
            self._loop.close()

    async def _connect(self, url: str) -> ReplayConnection:
        return ReplayConnection(url)

    def _wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)
