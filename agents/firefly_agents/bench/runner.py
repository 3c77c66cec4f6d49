"""Run a subject on tasks, k attempts each, through the replay proxy; every attempt is a session of its own and is kept."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from httpx2 import AsyncClient

from firefly_agents.bench.subjects import Desk, Limits, Solution, Subject
from firefly_agents.bench.witness import Notes, Seen, Witness
from firefly_agents.handshake import HandshakeOnly
from firefly_mcp.bench.attribution import REFUSED, carried_out, invented
from firefly_mcp.bench.manifest import manifest
from firefly_mcp.bench.rollout import Rollout, RolloutCall
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.bench.score import score
from firefly_mcp.errors import StoreError, TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.observe import result_text
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind, Tool
from firefly_proxies.plans import plain_http
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

_TRIES = 3
"""How often an attempt is made that our own infrastructure makes fail."""
_SHOWN = 2000
"""Characters that are kept of what a call was answered with; the whole is in the recording."""


@dataclass(frozen=True)
class BenchSettings:
    """How a benchmark is run.

    Attributes:
        k: attempts at each task.
        concurrency: attempts at once.
        limits: of each attempt.
        price: US dollars for a million tokens, in and out; None where it is not told.
        max_seconds: begin no more attempts after so long; the run can be gone on with.
        max_tokens: begin no more attempts once so many tokens were used.
    """

    k: int = 1
    concurrency: int = 4
    limits: Limits = field(default_factory=Limits)
    price: tuple[float, float] | None = None
    max_seconds: float | None = None
    max_tokens: int | None = None


async def bench(
    tasks: Sequence[Task],
    recording: Recording,
    subject: Subject,
    settings: BenchSettings | None = None,
    *,
    k: int | None = None,
    policy: ReplayPolicy | None = None,
    out: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> JsonObject:
    """Score a subject.

    Args:
        tasks: the tasks.
        recording: the recording that they were made from, or one that holds the same calls.
        subject: the subject; it is closed at the end.
        settings: attempts, limits and budgets.
        k: attempts at each task, instead of the settings'.
        policy: match and state policy of the replay.
        out: a folder for the run; one that holds a part of the same run is gone on with.
        progress: told ``(stage, done, total)``.

    Returns:
        The figures (:func:`firefly_mcp.bench.score.score`), with ``rollouts_left`` above 0 if a budget of the whole run
        ended it early.

    Raises:
        TaskError: the tasks do not fit the recording; or a budget ended the run before any task had all its attempts.
        UsageError: nothing to run, or ``out`` holds another run.
    """
    settings = settings or BenchSettings()
    attempts = settings.k if k is None else k
    if not tasks or attempts < 1:
        raise UsageError("nothing to benchmark: give tasks, and --k of at least 1")
    policy = policy or ReplayPolicy()
    factory = ReplayFactory(recording, policy, log=not recording.readonly)
    offered = check_tasks(tasks, factory)
    ran_with = manifest(tasks, recording, policy, subject.describe(), k=attempts, settings=settings.limits.to_json())
    run = RunFolder.begin(out, ran_with, tasks) if out is not None else None
    held = [] if run is None else run.rollouts()
    done = {(one.task, one.attempt) for one in held}
    todo = [(task, attempt) for task in tasks for attempt in range(attempts) if (task.id, attempt) not in done]
    work = _Work(recording, Witness(factory), subject, settings, offered, ran_with, run.name if run else _name())
    try:
        fresh = await work.through(todo, len(held), progress, keep=run.append if run else lambda one: None)
    finally:
        await subject.close()
    rollouts = [*held, *fresh]
    if run is not None and len(rollouts) == len(tasks) * attempts:
        run.replace(sorted(rollouts, key=order_of(tasks)))
    left = len(todo) - len(fresh)
    if left:
        sizes = Counter(one.task for one in rollouts)
        rollouts = [one for one in rollouts if sizes[one.task] == attempts]
        if not rollouts:
            raise TaskError("the run's budget ended it before any task had all its attempts; run it again to go on")
    return {**score(tasks, sorted(rollouts, key=order_of(tasks)), ran_with, price=settings.price), "rollouts_left": left}


def check_tasks(tasks: Sequence[Task], factory: ReplayFactory) -> dict[str, Tool]:
    """See that the recording has what the tasks need; gives the recording's tools by their exposed names.

    Raises:
        TaskError: a tool is missing, or a plan cannot be followed in another recording than the task's own.
    """
    path = factory.recording.path
    tools = {factory.exposed(key): tool for key, tool in factory.replay.index.tools.items()}
    for task in tasks:
        missing = [name for name in (*task.tools, *(node.exposed_name for node in task.plan)) if name not in tools]
        if missing:
            other = "" if task.recording.id == factory.recording.id else "; the task was made from another recording"
            raise TaskError(f"{path}: task {task.id} needs the tool {missing[0]!r}, which this recording does not have{other}")
        if task.recording.id == factory.recording.id:
            continue
        try:
            digest = observe(task, factory.replay).digest()
        except PlanBrokenError as error:
            raise TaskError(f"{path}: task {task.id} was made from another recording: {error}") from error
        if task.recording.digest and digest != task.recording.digest:
            raise TaskError(f"{path}: task {task.id} was proven with other answers than this recording holds")
    return tools


def _name() -> str:
    return f"bench-{uuid.uuid4().hex[:8]}"


def order_of(tasks: Sequence[Task]) -> Callable[[Rollout], tuple[int, int]]:
    """Sorts rollouts by the order of the tasks, then by attempt."""
    places = {task.id: place for place, task in enumerate(tasks)}
    return lambda one: (places[one.task], one.attempt)


def _said(trouble: BaseException) -> str:
    """What is at the heart of trouble, on one line."""
    while isinstance(trouble, BaseExceptionGroup):
        trouble = trouble.exceptions[0]
    return f"{type(trouble).__name__}: {' '.join(str(trouble).split())[:300]}"


class _Work:
    """The attempts of one run."""

    def __init__(
        self,
        recording: Recording,
        witness: Witness,
        subject: Subject,
        settings: BenchSettings,
        tools: dict[str, Tool],
        ran_with: JsonObject,
        name: str,
    ) -> None:
        self._recording = recording
        self._witness = witness
        self._subject = subject
        self._settings = settings
        self._tools = tools
        self._manifest = ran_with
        self._name = name
        self._tokens = 0
        self._began = time.monotonic()

    async def through(
        self,
        todo: Sequence[tuple[Task, int]],
        before: int,
        progress: Callable[[str, int, int], None],
        keep: Callable[[Rollout], None],
    ) -> list[Rollout]:
        """Make these attempts, several at once, until they are done or a budget of the run is spent."""
        total, waiting = before + len(todo), iter(todo)
        found: list[Rollout] = []
        late: list[Rollout] = []
        progress("bench", before, total)

        async def work(url: str) -> None:
            for task, attempt in waiting:
                if self._spent():
                    return
                one = await self._attempt(task, attempt, url, http)
                keep(one)
                found.append(one)
                if not self._label(one):
                    late.append(one)
                progress("bench", before + len(found), total)

        async with (
            running_http(HandshakeOnly(self._witness)) as url,
            plain_http() as http,
            anyio.create_task_group() as group,
        ):
            for _ in range(min(self._settings.concurrency, len(todo))):
                group.start_soon(work, url)
        for one in late:  # their sessions ended after their subjects had
            self._label(one)
        return found

    def _spent(self) -> bool:
        limits = self._settings
        late = limits.max_seconds is not None and time.monotonic() - self._began > limits.max_seconds
        return late or (limits.max_tokens is not None and self._tokens >= limits.max_tokens)

    async def _attempt(self, task: Task, attempt: int, url: str, http: AsyncClient) -> Rollout:
        """One attempt; where our own infrastructure failed it is made again, in a session of its own."""
        one = await self._try(task, attempt, url, http, f"{self._name}-{task.id}-{attempt}")
        for again in range(2, _TRIES + 1):
            if one.boundary != "proxy":
                break
            one = await self._try(task, attempt, url, http, f"{self._name}-{task.id}-{attempt}-{again}")
        return one

    async def _try(self, task: Task, attempt: int, url: str, http: AsyncClient, session: str) -> Rollout:
        notes = self._witness.expect(session, self._settings.limits.calls)
        offered = {name: self._tools[name] for name in task.tools}
        desk = Desk(f"{url}?session={session}", offered, self._settings.limits, http)
        began = time.monotonic()
        try:
            with anyio.fail_after(self._settings.limits.seconds + 5):
                solution = await self._subject.solve(task, desk, attempt)
        except TimeoutError:
            solution = Solution(boundary="budget", error="out of time")
        except Exception as trouble:  # a connection that broke, for one: the other attempts must not fall with it
            solution = Solution(boundary="proxy", error=_said(trouble))
        self._witness.forget(session)
        return self._rollout(task, attempt, session, solution, notes, time.monotonic() - began)

    def _rollout(self, task: Task, attempt: int, session: str, solution: Solution, notes: Notes, seconds: float) -> Rollout:
        over = notes.over and solution.answer is None
        one = Rollout(
            task=task.id,
            attempt=attempt,
            session=session,
            answer=solution.answer,
            submitted=solution.submitted,
            boundary="budget" if over else solution.boundary,
            error=solution.error or ("the budget of calls was spent" if over else ""),
            calls=calls_of(task, notes.calls, self._tools),
            messages=solution.messages,
            usage=solution.usage,
            seconds=round(seconds, 4),
        ).graded(task)
        self._tokens += one.tokens
        return one

    def _label(self, one: Rollout) -> bool:
        """Keep the outcome and the resolved configuration with the session in the recording; says whether it was there."""
        if self._recording.readonly or not one.calls:
            return True
        labels = {"bench": self._name, "task": one.task, "attempt": one.attempt, "reward": one.reward, "answer": one.answer}
        with suppress(StoreError), self._recording.transaction() as db:
            # From the latest on: the session is among the last few, and there may be many.
            found = db.execute(
                "UPDATE session SET labels = json_patch(labels, ?), config = ? WHERE id = (SELECT id FROM session"
                " WHERE kind = 'replay' AND labels ->> 'name' = ? ORDER BY id DESC LIMIT 1) RETURNING id",
                (text(labels | ({"failure": one.failure} if one.failure else {})), text(self._manifest), one.session),
            ).fetchall()
            return bool(found)
        return False


def calls_of(task: Task, seen: Sequence[Seen], tools: dict[str, Tool]) -> list[RolloutCall]:
    """The calls of an attempt as they are kept."""
    nodes = carried_out(task, [(one.name, one.arguments, None if one.failed else one.result) for one in seen])
    known = f"{task.request} {task.now}"
    found = []
    for one, node in zip(seen, nodes, strict=True):
        match, cause = str(one.meta.get("firefly/match", "")), str(one.meta.get("firefly/cause", ""))
        odd: list[str] = []
        if match == MatchKind.MISS and cause not in REFUSED and one.name in tools:
            odd = invented(one.arguments, f"{known} {text(tools[one.name].definition)}")
        told = result_text(one.result) or text(one.result.get("structuredContent"))
        source = one.meta.get("firefly/call")
        found.append(
            RolloutCall(
                name=one.name,
                arguments=one.arguments,
                match=match,
                source=source if isinstance(source, int) else None,
                cause=cause,
                is_error=one.failed,
                node=node,
                invented=odd,
                shown=told if len(told) <= _SHOWN else told[: _SHOWN - 1] + "…",
            )
        )
        if not one.failed:
            known += f" {text(one.result)}"
    return found
