"""The execution gate: the plan, selections and all, run twice by a real MCP client against the replay proxy in exact-only
strict mode, gives the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mcp import Client

from firefly_mcp.replay import ReplayIndex, ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.types import MatchKind
from firefly_proxies.plans import PlanFailedError, execute_plan, gives_answer, match_kinds, plain_http, session_client
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

RUNS = 2
BATCH = 100
"""So many tasks are executed over one client's connection, each run in a named session of its own: a handshake and the list of
all tools for each run would cost ten times what its calls do."""


async def execution_gate(
    tasks: Sequence[Task],
    recording: Recording,
    *,
    index: ReplayIndex | None = None,
    progress: Callable[[], None] = lambda: None,
) -> tuple[list[Task], Counter[str]]:
    """Execute every task.

    Args:
        tasks: tasks that passed the gates before.
        recording: the recording that is replayed; nothing else is running.
        index: of the recording, if it is open already.
        progress: called after each task.

    Returns:
        The tasks with an ``execution`` verdict added, and how many calls were answered by which match kind.
    """
    judged: list[Task] = []
    kinds: Counter[str] = Counter()
    factory = ReplayFactory(recording, ReplayPolicy(match=MatchKind.EXACT), log=False, index=index)
    async with running_http(factory) as url, plain_http() as http:
        for first in range(0, len(tasks), BATCH):
            async with session_client(url, http) as client:
                for number, task in enumerate(tasks[first : first + BATCH], first):
                    verdict = await _execute(task, client, f"proof-{number}", kinds)
                    judged.append(task.model_copy(update={"verdicts": [*task.verdicts, verdict]}))
                    progress()
    return judged, kinds


async def _execute(task: Task, client: Client, session: str, kinds: Counter[str]) -> Verdict:
    for run in range(RUNS):
        try:
            # A session of its own each time: state begins anew.
            results = await execute_plan(task, client, session=f"{session}-{run}")
            found = match_kinds(results)
            kinds.update(found)
            if any(kind != MatchKind.EXACT for kind in found):
                return Verdict(gate="execution", passed=False, reason=f"answered as {', '.join(sorted(set(found)))}")
            if not gives_answer(task, results):
                return Verdict(gate="execution", passed=False, reason="the plan gives another answer")
        except PlanFailedError as error:
            kinds.update([str(MatchKind.MISS)])
            return Verdict(gate="execution", passed=False, reason=str(error))
    return Verdict(gate="execution", passed=True, reason=f"run {RUNS} times by an MCP client, exact matches only")
