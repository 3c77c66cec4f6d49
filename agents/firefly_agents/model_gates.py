"""The gates that ask a model: a judge who reads the request, and solvers who do not know the plan.

What servers wrote reaches the judge as data between two marks, never as instructions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from firefly_agents.bench.named import subject_named
from firefly_agents.bench.runner import BenchSettings, bench
from firefly_agents.replies import Replies, each_asked, read_object
from firefly_mcp.bench.rollout import Rollout, by_task
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Grounds
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.types import MatchKind, Tool

SOLVERS = 2
"""Independent attempts; one that gives the label shows that the request leads there."""
_MOST_TEXT = 600


class ModelGates:
    """The judge and the solvers of one model."""

    def __init__(self, model: str, *, concurrency: int = 4) -> None:
        """Ask ``model`` at ``OPENAI_BASE_URL``.

        Raises:
            ModelError: no endpoint is configured.
        """
        self._name = model
        self._concurrency = concurrency
        self._replies = Replies(model, "judge_task.md")

    async def ask(self, tasks: Sequence[Task], recording: Recording) -> list[Task]:
        """The tasks with the verdicts of ``judge`` and, of those that the judge lets through, ``solver``.

        Raises:
            ModelError: the model does not answer at all.
        """
        judged = await self.judge(tasks, recording)
        passed = [task for task in judged if task.verdicts[-1].passed]
        solved = {task.id: task for task in await self.solve(passed, recording)} if passed else {}
        return [solved.get(task.id, task) for task in judged]

    async def judge(self, tasks: Sequence[Task], recording: Recording) -> list[Task]:
        """Each task with the judge's verdict: natural, and with one reading only."""
        grounds = Grounds(strict_replay(recording))
        found: dict[int, Verdict] = {}

        async def one(number: int, task: Task) -> None:
            reply = await self._replies.to(_question(task, list(grounds.offered(task.tools))))
            found[number] = _verdict(read_object(reply))

        await each_asked(tasks, one, self._replies, self._concurrency)
        return [task.model_copy(update={"verdicts": [*task.verdicts, found[at]]}) for at, task in enumerate(tasks)]

    async def solve(self, tasks: Sequence[Task], recording: Recording) -> list[Task]:
        """Each task with the solvers' verdict: an agent that knows the request alone gives the label."""
        subject = subject_named(self._name, tasks)
        settings = BenchSettings(k=SOLVERS, concurrency=self._concurrency)
        policy = ReplayPolicy(match=MatchKind.NORMALIZED)
        with (
            tempfile.TemporaryDirectory(prefix="firefly-solve-") as folder,
            Recording(recording.path, readonly=True) as reading,
        ):
            out = Path(folder) / "run"
            await bench(tasks, reading, subject, settings, policy=policy, out=out)
            held = by_task({task.id: task for task in tasks}, RunFolder.load(out).rollouts())
        return [task.model_copy(update={"verdicts": [*task.verdicts, _solved(held[task.id])]}) for task in tasks]


def _question(task: Task, tools: Sequence[Tool]) -> str:
    fields = task.answer_schema.get("properties") or {}
    data: JsonObject = {
        "request": task.request,
        "answer fields": {name: text(field)[:_MOST_TEXT] for name, field in fields.items()},
        "tools": [{"name": tool.name, "description": tool.description[:_MOST_TEXT]} for tool in tools],
    }
    return f"DATA BEGINS\n{text(data)}\nDATA ENDS"


def _verdict(said: JsonObject | None) -> Verdict:
    if said is None or not isinstance(said.get("natural"), bool) or not isinstance(said.get("unambiguous"), bool):
        return Verdict(gate="judge", passed=False, reason="the judge's reply has no verdict")
    why = " ".join(str(said.get("reason") or "").split())[:200]
    failed = [quality for quality in ("natural", "unambiguous") if not said[quality]]
    return Verdict(gate="judge", passed=not failed, reason=f"not {' nor '.join(failed)}: {why}" if failed else why)


def _solved(rollouts: Sequence[Rollout]) -> Verdict:
    right = sum(one.reward == 1.0 for one in rollouts)
    if right:
        return Verdict(gate="solver", passed=True, reason=f"{right} of {len(rollouts)} solvers gave the label")
    why = sorted({one.failure or one.error for one in rollouts})
    return Verdict(gate="solver", passed=False, reason=f"none of {len(rollouts)} solvers gave the label ({', '.join(why)})")
