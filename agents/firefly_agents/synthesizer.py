"""Synthesis and proof: from everything recorded to the tasks that every gate admits.

Without a model, requests are written by the grammar of :mod:`firefly_mcp.tasks.request`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firefly_mcp.dataset.division import divide
from firefly_mcp.graph.store import read_graph
from firefly_mcp.state.learn import learn_effects, store_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.compose import compose
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.tasks.draft import Setting, draft, names_of
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.pool import Pool
from firefly_mcp.tasks.proof import Ledger, judge, store_tasks, strict_replay, without_repeats
from firefly_mcp.tasks.trajectories import store_trajectories
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import SessionKind
from firefly_proxies.verify import execution_gate

SOURCES = (SessionKind.EXPLORE, SessionKind.RECORD, SessionKind.IMPORT)
"""Kinds of session from which plans are composed; confirming and probing sessions only prove them."""


@dataclass
class Synthesis:
    """What came of it, and how the executed calls were matched."""

    ledger: Ledger
    replay: Counter[str] = field(default_factory=Counter)


def candidates(recording: Recording) -> list[Task]:
    """Every task that can be drafted from the recording, in the order of its sessions, each once."""
    replay = strict_replay(recording)
    tools = replay.index.tools
    variety = Variety(queries.calls(recording, method="tools/call", evidence_only=True))
    near = Distractors(tools, read_graph(recording).edges)
    setting = Setting(recording.id, tools, names_of(tools), variety, near)
    links = replay.index.connections
    proven = {place for place, link in links.items() if link.origin.startswith("proven(")}
    pool = Pool(replay.index.relation, variety, lambda session, server: (session, server) in proven)
    found: dict[str, Task] = {}
    for session in queries.sessions(recording, evidence_only=True):
        if session.kind not in SOURCES:
            continue
        calls = [call for call in queries.calls(recording, session=session.id) if call.key in tools]
        pool.add_session(calls)
        for candidate in compose(calls, replay.index.relation, variety):
            task = draft(candidate, setting)
            if task is not None:
                found[task.id] = task
    across = (draft(candidate, setting) for candidate in pool.candidates())
    found.update((task.id, task) for task in across if task is not None)
    return list(found.values())


async def prove(tasks: Sequence[Task], recording: Recording, *, progress: Callable[[], None] = lambda: None) -> Synthesis:
    """Ask every gate of every task: the pure ones, execution by a real client, then those over the whole set."""
    replay = strict_replay(recording)
    judged = []
    for task in tasks:
        judged.append(judge(task, replay))
    passed = [task for task in judged if all(verdict.passed for verdict in task.verdicts)]
    executed, kinds = await execution_gate(passed, recording, progress=progress) if passed else ([], Counter())
    ledger = without_repeats([task for task in executed if task.verdicts[-1].passed])
    ledger.rejected = [
        *(task for task in judged if not task.verdicts[-1].passed),
        *(task for task in executed if not task.verdicts[-1].passed),
        *ledger.rejected,
    ]
    return Synthesis(ledger, kinds)


async def synthesize(recording: Recording, *, progress: Callable[[], None] = lambda: None) -> Synthesis:
    """Draft, prove and store; the recording keeps rejected candidates with the gate that rejected them."""
    synthesis = await prove(candidates(recording), recording, progress=progress)
    divide(synthesis.ledger, recording)
    keep(recording, synthesis)
    return synthesis


def keep(recording: Recording, synthesis: Synthesis) -> None:
    """Store what was found: the effect relation with its evidence, the trajectories, and every candidate with its verdicts."""
    store_effects(recording, learn_effects(recording))
    store_trajectories(recording)
    store_tasks(recording, synthesis.ledger)
