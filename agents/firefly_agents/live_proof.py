"""The live gate: plans re-run on the real servers now, each in fresh sandboxes, to see which labels have drifted."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.shared.exceptions import MCPError

from firefly_agents.settings import ExploreSettings, Progress
from firefly_agents.workshop import Workshop
from firefly_mcp.errors import ConfigError, FireflyError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.servers.names import joined
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import PlanNode, Task, Verdict, same_value
from firefly_proxies.plans import PlanFailedError, execute_plan, label_of, plain_http, session_client
from firefly_proxies.serve import running_http

GATE = "live"
SECONDS = 120.0


@dataclass
class LiveProof:
    """What came of it: the tasks with a ``live`` verdict, and those whose servers could not be asked."""

    tasks: list[Task] = field(default_factory=list)
    unreached: dict[str, str] = field(default_factory=dict)
    """By task id, why."""

    @property
    def drifted(self) -> list[Task]:
        """The tasks whose label the servers no longer give."""
        return [task for task in self.tasks if not task.verdicts[-1].passed]

    def summary(self) -> JsonObject:
        """As ``firefly verify --live --json`` tells it."""
        drifted = [{"id": task.id, "reason": task.verdicts[-1].reason} for task in self.drifted]
        return {"checked": len(self.tasks), "drifted": drifted, "unreached": self.unreached}


async def live_gate(
    tasks: Sequence[Task],
    specs: Mapping[str, ServerSpec],
    relation: EffectRelation,
    settings: ExploreSettings,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> LiveProof:
    """Run every plan once on the servers of a configuration.

    Args:
        tasks: whose plans are run.
        specs: the servers, by the names that the tasks use.
        relation: tells which servers have no state, so that one process of theirs may serve many plans.
        settings: where seed files are, how many sessions at once, whether the network is cut.
        progress: told after each task.

    Raises:
        ConfigError: a server of a task is not configured.
    """
    missing = sorted({name for task in tasks for name in task.servers} - set(specs))
    if missing:
        raise ConfigError(f"--config names no server {missing[0]!r}, which task {_with(tasks, missing[0])} needs")
    # What is asked goes through the recorder, as when it was recorded, and is thrown away.
    with (
        tempfile.TemporaryDirectory(prefix="firefly-live-") as folder,
        Recording(Path(folder) / "live.db", create=True) as kept,
    ):
        needed = {name for task in tasks for name in task.servers}
        workshop = Workshop(kept, {name: spec for name, spec in specs.items() if name in needed}, settings)
        runner = _Runner(workshop, relation)
        proof = LiveProof()
        turns = asyncio.Semaphore(settings.concurrency)
        done = 0

        async def one(task: Task) -> Task | str:
            nonlocal done
            async with turns:
                found = await runner.run(task)
            done += 1
            progress("live", done, len(tasks))
            return found

        try:
            found = await asyncio.gather(*(one(task) for task in tasks))
        finally:
            await runner.close()
            workshop.clean_up()
    for task, one_found in zip(tasks, found, strict=True):
        if isinstance(one_found, Task):
            proof.tasks.append(one_found)
        else:
            proof.unreached[task.id] = one_found
    return proof


class _Runner:
    """Runs plans over one pool of servers."""

    def __init__(self, workshop: Workshop, relation: EffectRelation) -> None:
        self._workshop = workshop
        self._pool = workshop.pool(relation.stateless)

    async def run(self, task: Task) -> Task | str:
        """The task with its verdict, or why its servers could not be asked."""
        single = len(task.servers) == 1
        factory = self._workshop.factory(task.servers, "record", {"task": task.id}, self._pool)
        plan = [_named(node, single=single) for node in task.plan]
        try:
            async with (
                asyncio.timeout(SECONDS),
                running_http(factory) as url,
                plain_http() as http,
                session_client(url, http) as client,
            ):
                verdict = await _verdict(task.model_copy(update={"plan": plan}), client)
        except (FireflyError, MCPError, OSError, TimeoutError) as trouble:
            return " ".join(str(trouble).split())[:300] or type(trouble).__name__
        except BaseExceptionGroup as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            if not isinstance(first, Exception):
                raise
            return " ".join(str(first).split())[:300] or type(first).__name__
        return task.model_copy(update={"verdicts": [*task.verdicts, verdict]})

    async def close(self) -> None:
        """End every server."""
        await self._pool.close()


def _named(node: PlanNode, *, single: bool) -> PlanNode:
    """The node under the name by which a recorder over the task's servers alone exposes its tool."""
    return node.model_copy(update={"exposed_name": node.tool if single else joined(node.server, node.tool)})


async def _verdict(task: Task, client: Any) -> Verdict:
    try:
        label = label_of(task, await execute_plan(task, client))
    except PlanFailedError as error:
        return Verdict(gate=GATE, passed=False, reason=f"the plan fails now: {' '.join(str(error).split())[:300]}")
    changed = [
        f"{name} was {task.answer[name]!r}, is {value!r}"
        for name, value in label.items()
        if not same_value(value, task.answer[name])
    ]
    return Verdict(gate=GATE, passed=not changed, reason="; ".join(changed) or "the servers give the label now")


def _with(tasks: Sequence[Task], server: str) -> str:
    return next(task.id for task in tasks if server in task.servers)
