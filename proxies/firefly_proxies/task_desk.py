"""The desk at which tasks are handed out: tasks checked against the recording, sessions opened, their results kept."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Sequence

from firefly_mcp.bench.manifest import manifest
from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.answering import ANSWER_TOOL, answer_tool
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import ToolKey
from firefly_proxies.conversation import Opening
from firefly_proxies.messages import LATEST_HANDSHAKE, RequestId, request
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.task_session import Limits, TaskSession

MOST_OPEN = 10_000
"""Sessions that may go on at once."""


class TaskDesk:
    """Opens sessions on tasks over one recording. Close it when all is done.

    Attributes:
        tasks: by id, in the order of their file.
        sessions: those that go on, by key.
        results: of the sessions that have ended, as they ended.
    """

    def __init__(
        self,
        factory: ReplayFactory,
        tasks: Sequence[Task],
        *,
        limits: Limits | None = None,
        seed: int = 0,
        provenance: bool = False,
        keep: Callable[[JsonObject], None] = lambda result: None,
        trajectories: bool = True,
    ) -> None:
        """Check the tasks against the recording.

        Args:
            factory: replays the recording, with provenance; closed with the desk.
            tasks: at least one.
            limits: of each session.
            seed: draws the order in which tasks are handed out and tools are listed.
            provenance: let subjects see how their calls were answered.
            keep: is given each result, with its manifest, as a session ends.
            trajectories: ``results`` hold the trajectories too; a server that runs for long leaves them to ``keep``.

        Raises:
            TaskError: two tasks have one id; or a task was made from another recording, or offers a tool that this one does
                not have.
            UsageError: no tasks, or a factory without provenance.
        """
        if not tasks:
            raise UsageError("no tasks to serve: the file is empty, or no task is of the chosen split")
        if not factory.policy.provenance:
            raise UsageError("a task desk needs a replay with provenance; whether subjects see it is the desk's to say")
        self.factory = factory
        self.limits = limits or Limits()
        self.tasks = {task.id: task for task in tasks}
        if len(self.tasks) < len(tasks):
            twice = next(name for name, count in Counter(task.id for task in tasks).items() if count > 1)
            raise TaskError(f"task {twice} is there twice; ids of tasks must differ")
        self._definitions = {str(tool["name"]): tool for tool in factory.tool_definitions()}
        for task in tasks:
            self._check(task)
        self.sessions: dict[str, TaskSession] = {}
        self.results: list[JsonObject] = []
        self._provenance = provenance
        self._keep = keep
        self._left_out = () if trajectories else ("trajectory", "manifest")
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Draw anew the order in which tasks are handed out and tools are listed, for sessions opened from now on."""
        self.seed = seed
        budget = {"calls": self.limits.calls, "seconds": self.limits.seconds}
        tasks, recording = list(self.tasks.values()), self.factory.recording
        full = manifest(tasks, recording, self.factory.policy, {}, k=1, settings=budget)
        # Who the subjects are, and how often they try, is not for the server to say.
        self.manifest = {key: value for key, value in full.items() if key not in ("subject", "k")} | {"seed": seed}
        self._order = sorted(self.tasks, key=self._draw)
        self._handed = 0

    def next_task(self) -> Task:
        """The next task in the seed's order; after the last one comes the first."""
        task = self.tasks[self._order[self._handed % len(self._order)]]
        self._handed += 1
        return task

    def offered(self, task: Task) -> list[JsonObject]:
        """The definitions of a task's tools as recorded, in the seed's order, and the answer channel."""
        names = sorted(dict.fromkeys(task.tools), key=lambda name: self._draw(f"{task.id}/{name}"))
        return [*(self._definitions[name] for name in names), answer_tool(task)]

    async def open(self, task_id: str, *, client: JsonObject | None = None) -> TaskSession:
        """Begin an attempt, with a replayed session of its own.

        Args:
            task_id: of one of the tasks.
            client: who the subject is, as ``clientInfo``.

        Raises:
            TaskError: there is no such task.
            UsageError: too many sessions are open.
        """
        task = self.tasks.get(task_id)
        if task is None:
            raise TaskError(f"there is no task {task_id} here; the index lists those that there are")
        if len(self.sessions) >= MOST_OPEN:
            raise UsageError(f"too many open sessions ({MOST_OPEN}); end some")
        key = f"serve-{uuid.uuid4().hex}"
        conversation = await self.factory.open(Opening("task", session_id=key), _silence)
        who = client or {"name": "firefly-serve", "version": "1"}
        hello = {"protocolVersion": LATEST_HANDSHAKE, "capabilities": {}, "clientInfo": who}
        await conversation.request(request("hello", "initialize", hello))
        session = TaskSession(
            key,
            task,
            self.offered(task),
            {name: self._key(name, task) for name in task.tools},
            conversation,
            self.limits,
            on_end=self._ended,
            provenance=self._provenance,
        )
        session.client = client or {}
        self.sessions[key] = session
        return session

    async def close(self) -> None:
        """End all sessions, then the replay."""
        for session in list(self.sessions.values()):
            await session.close("stopped")
        await self.factory.close()

    def _ended(self, session: TaskSession) -> None:
        self.sessions.pop(session.key, None)
        # Nobody tried: a client that only looked, or left at once.
        if session.ended != "answered" and not session.calls:
            return
        result = {**session.result(), "manifest": self.manifest}
        self.results.append({key: value for key, value in result.items() if key not in self._left_out})
        self._keep(result)

    def _check(self, task: Task) -> None:
        where = self.factory.recording.path
        if ANSWER_TOOL in task.tools:
            raise TaskError(f"task {task.id} offers a tool named {ANSWER_TOOL}, which is the name of the answer channel")
        for name in task.tools:
            self._key(name, task)
        for node in task.plan:
            if node.exposed_name not in task.tools or self._key(node.exposed_name, task) != node.key:
                raise TaskError(f"{where}: task {task.id} needs {node.key} as {node.exposed_name!r}, and does not offer it so")
        try:
            digest = observe(task, self.factory.replay).digest()
        except PlanBrokenError as error:
            raise TaskError(
                f"{where} cannot answer task {task.id}; use the recording that it was made from: {error}"
            ) from error
        if task.recording.digest and task.recording.digest != digest:
            raise TaskError(f"{where} has other answers than those that task {task.id} was proven with; use its own recording")

    def _key(self, exposed: str, task: Task) -> ToolKey:
        key = self.factory.names.key(exposed)
        if key is None or exposed not in self._definitions:
            raise TaskError(
                f"{self.factory.recording.path}: task {task.id} offers the tool {exposed!r}, which this recording does not"
                " have; use the recording that the task was made from"
            )
        return key

    def _draw(self, what: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{what}".encode(), digest_size=8).digest()


async def _silence(message: JsonObject, related: RequestId | None) -> None:
    """What servers told in between is not for subjects of a task: not every client could hear it."""
