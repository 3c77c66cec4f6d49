"""One attempt at a task: its tools answered by the replay engine, its answer scored, within so many calls and seconds.

This is the simulator and the reward as a Python object; the task server puts it behind MCP, and adapters behind whatever they
adapt to. :class:`~firefly_proxies.task_desk.TaskDesk` opens sessions::

    session = await desk.open("t-5b0f6b0f3c9d1e27")
    result = await session.call("notes_list_notes", {})
    outcome = await session.submit({"created": "2026-11-23"})
    outcome.reward
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.reward import reward
from firefly_mcp.tasks.answering import ANSWER, ANSWER_TOOL, briefing, misfit
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import ToolKey
from firefly_proxies.conversation import Conversation
from firefly_proxies.messages import request

_PROVENANCE = "firefly/"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use.

    Attributes:
        calls: tool calls, those that are refused included; an answer can be submitted when they are spent.
        seconds: from its opening to its end.
    """

    calls: int = 50
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission.

    Attributes:
        accepted: whether it is the session's answer; if not, the session goes on.
        said: what the subject is told.
        reward: 1.0 or 0.0; None where it was not accepted.
    """

    accepted: bool
    said: str
    reward: float | None = None


class TaskSession:
    """An attempt. Ends with an accepted answer, with its limits, or when it is closed; the first of these counts.

    Attributes:
        key: its name, which nobody can guess.
        task: what is to be done.
        tools: definitions of the tools on offer, as recorded, under exposed names; the answer channel last.
        reward: of the accepted answer; 0.0 until there is one.
        ended: why it ended (``answered``, ``calls``, ``seconds``, ``closed``, ``reset``, ``stopped``); None while it goes on.
        trajectory: the calls so far, each ``{tool, server, arguments, result, match, …}``.
    """

    def __init__(
        self,
        key: str,
        task: Task,
        tools: Sequence[JsonObject],
        keys: Mapping[str, ToolKey],
        conversation: Conversation,
        limits: Limits,
        *,
        on_end: Callable[[TaskSession], None] = lambda session: None,
        provenance: bool = False,
    ) -> None:
        """Use :meth:`TaskDesk.open`.

        Args:
            key: its name.
            task: what is to be done.
            tools: what is offered.
            keys: the tool behind each offered name.
            conversation: the replayed session that answers.
            limits: calls and seconds.
            on_end: told once, when it has ended.
            provenance: leave ``firefly/*`` keys in results.
        """
        self.key = key
        self.task = task
        self.tools = list(tools)
        self.limits = limits
        self.trajectory: list[JsonObject] = []
        self.answer: JSON = None
        self.reward = 0.0
        self.ended: str | None = None
        self.client: JsonObject = {}
        self.started_at = time.time()
        self.ended_at: float | None = None
        self._keys = keys
        self._conversation = conversation
        self._on_end = on_end
        self._provenance = provenance
        self._calls = 0
        self._clock = asyncio.get_running_loop().call_later(limits.seconds, self._end, "seconds")
        self._closing: asyncio.Task[None] | None = None

    @property
    def briefing(self) -> str:
        """What the subject is told: the request, and how to answer."""
        return briefing(self.task)

    @property
    def calls(self) -> int:
        """Tool calls so far, those that were refused included."""
        return self._calls

    async def call(self, name: str, arguments: JsonObject | None = None) -> JsonObject:
        """Call a tool, or the answer channel; gives an MCP ``CallToolResult`` as JSON.

        Nothing is raised: an unknown tool, a spent budget and a miss are results whose ``isError`` is true.
        """
        if name == ANSWER_TOOL:
            return await self._submitted(arguments or {})
        if (over := self._over()) is not None:
            return _error(over)
        key = self._keys.get(name)
        if self._calls >= self.limits.calls:
            return _error(f"The {self.limits.calls} calls of this session are spent. Submit an answer with {ANSWER_TOOL}.")
        self._calls += 1
        if key is None:
            offered = ", ".join(str(tool["name"]) for tool in self.tools)
            return self._note(name, None, arguments, _error(f"There is no tool {name!r} here. Tools: {offered}"))
        asked = request(self._calls, "tools/call", {"name": name, "arguments": arguments or {}})
        answer = await self._conversation.request(asked)
        if "error" in answer:
            return self._note(name, key, arguments, _error(str(answer["error"].get("message") or answer["error"])))
        return self._note(name, key, arguments, answer["result"])

    async def submit(self, answer: JSON) -> Outcome:
        """Submit the answer. One that does not fit the answer schema is refused, and the session goes on."""
        if (over := self._over()) is not None:
            return Outcome(False, over)
        trouble = misfit(answer, self.task)
        if trouble is not None:
            self._calls += 1
            if self._calls > self.limits.calls:
                self._end("calls")
            return Outcome(False, f"The answer does not fit its schema: {trouble}. Submit it again.")
        self.answer = answer
        self.reward = reward(answer, self.task.answer, self.task.answer_schema)
        self._end("answered")
        return Outcome(True, "The answer was taken.", self.reward)

    async def close(self, why: str = "closed") -> None:
        """End the session, if it has not ended, and release what it holds."""
        self._end(why)
        if self._closing is not None:
            await self._closing

    def result(self) -> JsonObject:
        """The session as a line of a results file, without the manifest."""
        matches = Counter(step["match"] for step in self.trajectory if step["match"] is not None)
        return {
            "session": self.key,
            "task": self.task.id,
            "reward": self.reward,
            "ended": self.ended,
            "answer": self.answer,
            "calls": self._calls,
            "by_match": dict(matches),
            "started_at": self.started_at,
            "seconds": (self.ended_at or time.time()) - self.started_at,
            "client": self.client,
            "trajectory": self.trajectory,
        }

    async def _submitted(self, arguments: JsonObject) -> JsonObject:
        if set(arguments) != {ANSWER}:
            given = ", ".join(sorted(arguments)) or "none"
            outcome = await self._misnamed(given)
        else:
            outcome = await self.submit(arguments[ANSWER])
        if not outcome.accepted:
            return _error(outcome.said)
        return {
            "content": [{"type": "text", "text": f"{outcome.said} Reward: {outcome.reward:g}"}],
            "structuredContent": {"accepted": True, "reward": outcome.reward},
        }

    async def _misnamed(self, given: str) -> Outcome:
        """A submission whose arguments are not the one that there is."""
        if (over := self._over()) is not None:
            return Outcome(False, over)
        self._calls += 1
        if self._calls > self.limits.calls:
            self._end("calls")
        return Outcome(False, f"{ANSWER_TOOL} takes one argument, {ANSWER!r}, an object; it was given: {given}.")

    def _over(self) -> str | None:
        """What is said to a subject that goes on after the end."""
        return None if self.ended is None else _FAREWELLS.get(self.ended, _FAREWELLS["closed"])

    def _note(self, name: str, key: ToolKey | None, arguments: JsonObject | None, result: JsonObject) -> JsonObject:
        """Keep a call, and give its result as the subject sees it."""
        meta: dict[str, Any] = result.get("_meta") or {}
        told = {name: value for name, value in meta.items() if not name.startswith(_PROVENANCE)}
        bare = {name: value for name, value in result.items() if name != "_meta"} | ({"_meta": told} if told else {})
        self.trajectory.append(
            {
                "name": name,
                "server": None if key is None else key.server,
                "tool": None if key is None else key.tool,
                "arguments": arguments or {},
                "result": bare,
                "match": meta.get("firefly/match"),
                "cause": meta.get("firefly/cause"),
                "call": meta.get("firefly/call"),
                "state": meta.get("firefly/state"),
                "seconds": time.time() - self.started_at,
            }
        )
        return result if self._provenance else bare

    def _end(self, why: str) -> None:
        if self.ended is not None:
            return
        self.ended = why
        self.ended_at = time.time()
        self._clock.cancel()
        self._closing = asyncio.get_running_loop().create_task(self._conversation.close())
        self._on_end(self)


_FAREWELLS = {
    "answered": "This session is over: its answer was taken. Connect again, or open another session, for a new attempt.",
    "calls": "This session is over: its calls are spent. Connect again, or open another session, for a new attempt.",
    "seconds": "This session is over: its time is up. Connect again, or open another session, for a new attempt.",
    "closed": "This session is over. Connect again, or open another session, for a new attempt.",
}


def _error(said: str) -> JsonObject:
    return {"content": [{"type": "text", "text": said}], "isError": True}
