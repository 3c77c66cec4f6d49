"""Synthesis and proof: from everything recorded to the tasks that every gate admits.

Requests are written by the grammar of :mod:`firefly_mcp.tasks.request`, or by a model (:mod:`firefly_agents.writers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from firefly_agents.proving import Synthesis as Synthesis
from firefly_agents.proving import prove as prove
from firefly_mcp.dataset.division import divide
from firefly_mcp.graph.store import read_graph
from firefly_mcp.replay import Replay, ReplayIndex
from firefly_mcp.state.learn import store_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.assembly import UNBOUNDED, Assembly
from firefly_mcp.tasks.balance import balanced
from firefly_mcp.tasks.compose import Candidate, compose, pairs
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.tasks.draft import draft, worth_asking
from firefly_mcp.tasks.fields import Offers
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.needs import reads_back
from firefly_mcp.tasks.observations import Observations
from firefly_mcp.tasks.pool import Pool
from firefly_mcp.tasks.proof import Ledger, store_tasks, strict_replay
from firefly_mcp.tasks.setting import Setting, names_of
from firefly_mcp.tasks.trajectories import store_trajectories
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call, SessionKind, ToolKey

if TYPE_CHECKING:
    from firefly_agents.model_gates import ModelGates
    from firefly_agents.writers import Writer

SOURCES = (SessionKind.EXPLORE, SessionKind.RECORD, SessionKind.IMPORT)
"""Kinds of session from which plans are composed; confirming and probing sessions only prove them."""
SPARE = 1.8
"""So many times the wanted number of tasks are drafted: gates leave some out, and balance keeps of the others those of which
there are few: tasks about state, and long ones."""
UNPROVEN = 100
"""Plans that were seen only once are refused by the stability gate; so many of different tools show that it was so."""


def candidates(recording: Recording, *, replay: Replay | None = None, count: int | None = None) -> list[Task]:
    """The tasks that can be drafted from the recording, each once, the least used tools first.

    Args:
        recording: what was observed.
        replay: the proving replay of the same recording; opened when None.
        count: about how many tasks are wanted in the end; all that there are when None.
    """
    index = (replay or strict_replay(recording)).index
    variety = Variety(queries.calls(recording, method="tools/call", evidence_only=True))
    observations = Observations(index, recording.load_result)
    setting = setting_of(recording, index, variety, observations)
    assembly = Assembly(
        lambda candidate: draft(candidate, setting),
        fits=lambda candidate: worth_asking(candidate, setting),
        scarce=lambda candidate: reads_back(candidate, setting),
    )
    pool = Pool(variety, recording.load_result)
    cores: list[Candidate] = []
    unproven: dict[ToolKey, Candidate] = {}
    for candidate in composed(recording, index, variety, observations.changed):
        if not all(observations.enough(call) for call in candidate.calls):
            if len(candidate.calls) > 1:
                unproven.setdefault(candidate.outcome.key, candidate)
        elif len(candidate.calls) > 1:
            cores.append(candidate)
        elif pool.add(candidate):
            assembly.add([candidate])
    cores.extend(pool.candidates())
    assembly.add(cores)
    assembly.add(pairs(cores))
    found = {task.id: task for task in assembly.tasks(UNBOUNDED if count is None else int(count * SPARE))}
    for candidate in list(unproven.values())[:UNPROVEN]:
        task = draft(candidate, setting)
        if task is not None:
            found[task.id] = task
    return list(found.values())


def setting_of(recording: Recording, index: ReplayIndex, variety: Variety, observations: Observations) -> Setting:
    """What drafting needs to know of the recording."""
    offers = Offers(recording.load_result, variety, observations.others, observations.untouched)
    near = Distractors(index.tools, read_graph(recording).edges)
    return Setting(recording.id, index.tools, names_of(index.tools), index.relation, offers, near)


def composed(
    recording: Recording, index: ReplayIndex, variety: Variety, changed: Callable[[Call], bool]
) -> Iterator[Candidate]:
    """The plans of every session from which tasks are made."""
    for session in queries.sessions(recording, evidence_only=True):
        if session.kind in SOURCES:
            calls = [call for call in queries.calls(recording, session=session.id) if call.key in index.tools]
            yield from compose(calls, index.relation, variety, changed)


async def synthesize(
    recording: Recording,
    *,
    count: int | None = None,
    writer: Writer | None = None,
    asked: ModelGates | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Synthesis:
    """Draft, prove, balance and store; the recording keeps rejected candidates with the gate that rejected them.

    Args:
        recording: what was observed; written to.
        count: keep at most so many tasks.
        writer: writes the requests; the grammar when None.
        asked: the gates that ask a model; none when None.
        progress: called after each executed task.
    """
    replay = strict_replay(recording)
    drafted = candidates(recording, replay=replay, count=count)
    if writer is not None:
        drafted = await writer.write(drafted, replay.index.tools)
    synthesis = await prove(drafted, recording, replay=replay, asked=asked, progress=progress)
    divide(synthesis.ledger, recording, replay=replay)
    kept, left = balanced(synthesis.ledger.admitted, count)
    synthesis = replace(synthesis, ledger=Ledger(kept, [*synthesis.ledger.rejected, *left]))
    keep(recording, synthesis, replay)
    return synthesis


def keep(recording: Recording, synthesis: Synthesis, replay: Replay | None = None) -> None:
    """Store what was found: the effect relation with its evidence, the trajectories, and every candidate with its verdicts."""
    store_effects(recording, (replay or strict_replay(recording)).index.relation)
    store_trajectories(recording)
    store_tasks(recording, synthesis.ledger)
