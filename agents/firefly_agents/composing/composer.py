"""Compose sessions on what a recording knows, hold them live, and observe each a second time.

Sessions are planned anew from the explorations alone each time, and each is named after what it does: what the recording holds
already is passed over, so that the same command goes on where it was interrupted. Each batch is held and confirmed before the
next is begun.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from firefly_agents.composing.crossing import Crossing
from firefly_agents.composing.known import Known
from firefly_agents.composing.lone import Telling, lone, ready
from firefly_agents.composing.performer import Performer
from firefly_agents.composing.scenario import Scenario
from firefly_agents.composing.stateful import Stateful
from firefly_agents.composing.steadiness import unsteady
from firefly_agents.confirm import session_calls
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.pool import ServerPool
from firefly_agents.second_looks import SecondLooks, each
from firefly_agents.settings import ExploreSettings, Progress
from firefly_agents.workshop import Workshop
from firefly_mcp.errors import UsageError
from firefly_mcp.graph.store import load_graph
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import flows
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Session, SessionKind, ToolKey

BATCH = 240
KINDS = ("stateful", "crossing", "lone")


@dataclass(frozen=True)
class ComposeSettings:
    """How much to compose.

    Attributes:
        sessions: how many sessions of each kind at most, those that the recording holds already counted in.
        per_server: stateful sessions of one server at most.
        explore: the settings that it has in common with exploring: seed, time, concurrency, seed files.
    """

    sessions: Mapping[str, int] = field(default_factory=lambda: {"stateful": 400, "crossing": 300, "lone": 400})
    per_server: int = 24
    explore: ExploreSettings = field(default_factory=ExploreSettings)


@dataclass
class ComposeReport:
    """What composing did; ``sessions`` and ``held`` count by kind, ``held`` those that were there before."""

    sessions: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    succeeded: int = 0
    left_out: int = 0
    confirmed: int = 0
    proven: int = 0
    crossing_flows: int = 0
    starts: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    complete: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def to_json(self) -> JsonObject:
        """The report as ``firefly compose --json`` prints it."""
        return dict(vars(self))


async def compose_sessions(
    recording: Recording,
    specs: Mapping[str, ServerSpec],
    settings: ComposeSettings,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> ComposeReport:
    """Compose, hold and confirm sessions until there are enough, or time is over.

    Raises:
        UsageError: the recording holds no exploration of these servers.
        ConfigError: a seed file is missing or a variable is not set.
    """
    workshop = Workshop(recording, specs, settings.explore)
    try:
        return await Composer(workshop, settings, progress).run()
    finally:
        workshop.clean_up()


class Composer:
    """One composition in progress."""

    def __init__(self, workshop: Workshop, settings: ComposeSettings, progress: Progress) -> None:
        """Compose on the recording of a workshop."""
        self._workshop = workshop
        self._recording = workshop.recording
        self._settings = settings
        self._progress = progress
        self._started = time.monotonic()
        self._cpu = cpu_seconds()

    async def run(self) -> ComposeReport:
        """Plan, then batch after batch."""
        report = ComposeReport()
        performer = Performer(self._workshop, self._settings.explore.budget)
        looks = SecondLooks(self._workshop, self._settings.explore, self._progress)
        relation = learn_effects(self._recording)
        known = Known(self._recording, relation, self._workshop.specs)
        if not known.good:
            raise UsageError(f"{self._recording.path}: no exploration of these servers to compose on; 'firefly explore' first")
        held = self._held()
        report.held = dict(Counter(session.labels["composed"] for session in held.values()))
        wanted = sum(self._settings.sessions.get(kind, 0) for kind in KINDS)
        done = sum(report.held.get(kind, 0) for kind in KINDS)
        planned = self._planned(known, held)
        first, second = self._workshop.pool(relation.stateless), self._workshop.pool(relation.stateless)
        try:
            await looks.confirm(list(held.values()), relation, least=1, pool=second)  # what an interrupted run left
            while batch := list(itertools.islice(planned, BATCH)):
                if self._out_of_time():
                    break
                done += len(batch)
                bad = unsteady(self._recording)
                todo = [scenario for scenario in batch if self._sound(scenario, bad)]
                await self._hold(todo, performer, first)
                keys = {scenario.key for scenario in batch}
                sessions = [session for session in self._composed() if session.key in keys]
                await looks.confirm(sessions, relation, least=1, pool=second)
                report.sessions = dict(Counter(report.sessions) + Counter(scenario.kind for scenario in todo))
                self._progress("compose", min(done, wanted), wanted)
            else:
                report.complete = True
        finally:
            await first.close()
            await second.close()
        self._count(report, performer, looks)
        return report

    async def _hold(self, todo: list[Scenario], performer: Performer, pool: ServerPool) -> None:
        async def one(scenario: Scenario) -> None:
            await performer.perform(scenario, pool)

        await each(todo, one, self._settings.explore.concurrency, spent=self._out_of_time)

    def _planned(self, known: Known, held: Mapping[str, Session]) -> Iterator[Scenario]:
        """The kinds in turn, each up to its number, those that are held already counted in."""
        seed = self._settings.explore.seed
        files = {name: {PurePosixPath(path).name for path in folder.paths} for name, folder in self._workshop.files().items()}

        def stateful() -> Iterator[Scenario]:
            planner = Stateful(known, seed=seed, unsteady=unsteady(self._recording), fixed=files)
            return _few_of_each(planner.scenarios(), self._settings.per_server, held)

        def crossing() -> Iterator[Scenario]:
            memory = ValueMemory.of_recording(self._recording)
            return Crossing(known, memory, load_graph(self._recording, seed=seed), seed=seed).scenarios()

        def alone() -> Iterator[Scenario]:
            tells = Telling(self._recording)
            return lone(known, ready(self._recording, known, tells), tells, seed=seed)

        planners = {"stateful": stateful, "crossing": crossing, "lone": alone}
        before = Counter(session.labels["composed"] for session in held.values())
        left = {kind: max(0, self._settings.sessions.get(kind, 0) - before[kind]) for kind in KINDS}
        sources = {kind: planners[kind]() for kind in KINDS if left[kind]}  # planning costs: only what is wanted
        while any(left.values()):
            for kind in KINDS:
                scenario = next(sources[kind], None) if left[kind] else None
                if scenario is None:
                    left[kind] = 0
                elif scenario.key not in held:
                    left[kind] -= 1
                    yield scenario

    def _sound(self, scenario: Scenario, bad: Collection[ToolKey]) -> bool:
        """Whether nothing that a session rests on is known by now to answer otherwise each time."""
        return not any(move.tool in bad for move in scenario.moves if move.vital)

    def _composed(self) -> list[Session]:
        return [
            session for session in queries.sessions(self._recording, kind=SessionKind.EXPLORE) if "composed" in session.labels
        ]

    def _held(self) -> dict[str, Session]:
        return {session.key: session for session in self._composed() if session.ended_at is not None}

    def _out_of_time(self) -> bool:
        limit = self._settings.explore.max_seconds
        return limit is not None and time.monotonic() - self._started > limit

    def _count(self, report: ComposeReport, performer: Performer, looks: SecondLooks) -> None:
        report.calls, report.succeeded = performer.counts["calls"], performer.counts["succeeded"]
        report.left_out = performer.counts["left_out"]
        report.confirmed, report.proven = looks.counts["confirmed"], looks.counts["proven"]
        report.failed = dict(performer.failed + looks.failed)
        report.starts = self._workshop.starts
        report.crossing_flows = crossing_flows(self._recording, self._composed())
        report.seconds = round(time.monotonic() - self._started, 1)
        report.cpu_seconds = round(cpu_seconds() - self._cpu, 1)


def _few_of_each(scenarios: Iterable[Scenario], most: int, held: Mapping[str, Session]) -> Iterator[Scenario]:
    """The scenarios, those of one server up to a number, those that are held already counted in."""
    counts = Counter(session.labels["server"] for session in held.values() if "server" in session.labels)
    for scenario in scenarios:
        server = scenario.servers[0]
        if scenario.key in held or counts[server] < most:
            counts[server] += scenario.key not in held
            yield scenario


def crossing_flows(recording: Recording, sessions: Iterable[Session]) -> int:
    """How many distinct calls were fed from another server: tool, argument, and the tool that the value came from, by value."""
    found: set[tuple[object, ...]] = set()
    for session in sessions:
        calls = session_calls(recording, session)
        by_id = {call.id: call for call in calls}
        for flow in flows(calls):
            source, target = by_id[flow.source], by_id[flow.target]
            if flow.whole and source.server != target.server:
                found.add((source.key, target.key, flow.argument, str(flow.value)))
    return len(found)


def cpu_seconds() -> float:
    """Processor time of this process and of the children that it has ended, in seconds."""
    import os

    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
