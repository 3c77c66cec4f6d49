"""Explore servers: tours, walks along sampled sub-DAGs, then second observations of everything useful.

A round of episodes is planned against what is known at its start, and what it taught is learnt in the order of the episodes,
so the same seed makes the same calls at any concurrency (as far as the servers are deterministic). Episodes that the
recording holds already are passed over: an interrupted exploration goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents import Model
from firefly_agents import confirm
from firefly_agents.episodes import Episode, tour_length, tours, walks, worth_walking
from firefly_agents.explore_report import ExploreReport, tell
from firefly_agents.models import make_named_model
from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.model import OfflineModel
from firefly_agents.offline.planner import EpisodePlanner
from firefly_agents.offline.slots import ToolInfo
from firefly_agents.pool import ServerPool
from firefly_agents.sandboxes import Seeds, settings_of
from firefly_agents.session import Budget, Outcome, hold_session, label
from firefly_agents.workshop import Workshop
from firefly_mcp.errors import ServerError
from firefly_mcp.graph.store import build_from, load_coverage
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.learn import declared_stateless, learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, Session, SessionKind, Tool, ToolKey

OFFLINE = "offline"
ROUND = 16
"""Episodes planned against one state of knowledge."""
ATTEMPTS = 3
_BACKOFF_SECONDS = 0.5

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


async def explore(
    recording: Recording,
    specs: Mapping[str, ServerSpec],
    *,
    episodes: int = 100,
    seed: int = 0,
    model: str = OFFLINE,
    concurrency: int = 3,
    budget: Budget | None = None,
    max_calls: int | None = None,
    max_seconds: float | None = None,
    seeds: Seeds | None = None,
    offline: bool = False,
    allow_destructive: bool = False,
    confirming: bool = True,
    probing: int = 30,
    progress: Progress = lambda stage, done, total: None,
) -> ExploreReport:
    """Explore ``specs`` and record everything.

    Args:
        recording: written to; episodes that it holds already for this seed are passed over.
        specs: the servers, not expanded.
        episodes: how many in all; each server gets a tour first.
        seed: of all choices.
        model: ``offline``, or the name of a model at ``OPENAI_BASE_URL``.
        concurrency: sessions held at once.
        budget: limits of each session.
        max_calls: stop beginning episodes once so many calls were made.
        max_seconds: stop beginning episodes after so long.
        seeds: where seed files lie; needed only if a server names some.
        offline: cut the servers' network where the system can.
        allow_destructive: offer tools with ``destructiveHint`` of servers that cannot be sandboxed.
        confirming: observe every useful session a second time.
        probing: the most sessions repeated without one of their writers.
        progress: told how far it is.

    Raises:
        ModelError: the model is not configured.
        ConfigError: a seed file is missing or a variable is not set.
    """
    budget = budget or Budget()
    named = None if model == OFFLINE else make_named_model(model)
    workshop = Workshop(
        recording,
        specs,
        seeds=seeds or Seeds(Path()),
        offline=offline,
        allow_destructive=allow_destructive,
        start_seconds=budget.start_seconds,
    )
    try:
        explorer = Explorer(workshop, seed=seed, named=named, concurrency=concurrency, budget=budget, progress=progress)
        await explorer.run(episodes, max_calls=max_calls, max_seconds=max_seconds)
        if confirming:
            await explorer.confirm()
            if probing:
                await explorer.probe(probing)
        return explorer.report()
    finally:
        if named is not None:
            await named.close()
        workshop.clean_up()


class Explorer:
    """One exploration in progress."""

    def __init__(
        self, workshop: Workshop, *, seed: int, named: Model | None, concurrency: int, budget: Budget, progress: Progress
    ) -> None:
        """Explore the servers of a workshop; ``named`` is the model, None the embedded one."""
        self.workshop = workshop
        self.recording = workshop.recording
        self.specs = workshop.specs
        self.seed = seed
        self.budget = budget
        self.left_out: dict[str, str] = {}
        self._named = named
        self._concurrency = concurrency
        self._progress = progress
        self._memory = ValueMemory()
        self._learnt: set[int] = set()
        self._started = time.monotonic()
        self._relation = EffectRelation({})
        self._failed: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._dictionary = {name: settings_of(spec).get("values", {}) for name, spec in self.specs.items()}

    async def run(self, episodes: int, *, max_calls: int | None = None, max_seconds: float | None = None) -> None:
        """Tours first, then rounds of walks."""
        touring = tours(list(self.specs), 1)[:episodes]
        done = 0
        pool = self.workshop.pool(lambda server: False)
        try:
            done = await self._round(touring, pool, done, episodes)
        finally:
            await pool.close()
        tools = queries.tool_map(self.recording)
        self._relation = EffectRelation(tools, stateless=declared_stateless(self.recording))
        pool = self.workshop.pool(self._relation.stateless)
        try:
            number = len(touring)
            while number < episodes and not self._spent(max_calls, max_seconds):
                coverage = load_coverage(self.recording)
                graph = worth_walking(build_from(self.recording, seed=self.seed), self._memory)
                planned = walks(graph, coverage, first=number, count=min(ROUND, episodes - number), seed=self.seed)
                done = await self._round(planned, pool, done, episodes)
                number += len(planned)
        finally:
            await pool.close()

    async def confirm(self) -> None:
        """Observe every useful session a second time, and prove where it began."""
        sessions = {session.key: session for session in self._sessions(SessionKind.EXPLORE)}
        again = {str(session.labels.get("of")): session for session in self._sessions(SessionKind.CONFIRM)}
        todo = [
            (session, calls)
            for key, session in sessions.items()
            if (calls := confirm.session_calls(self.recording, session)) and confirm.useful(calls) and key not in again
        ]
        pool = self.workshop.pool(self._relation.stateless)

        async def one(item: tuple[Session, list[Call]]) -> None:
            session, calls = item
            await self._again(session, calls, SessionKind.CONFIRM, f"{session.key}-confirm", {"of": session.key}, pool)

        try:
            await self._each("confirm", todo, one)
        finally:
            await pool.close()
        relation = learn_effects(self.recording)
        origins = {name: self.workshop.seeds.origin_id(spec) for name, spec in self.specs.items()}
        for second in self._sessions(SessionKind.CONFIRM):
            first = sessions.get(str(second.labels.get("of")))
            if first is not None:
                verdicts = confirm.prove(self.recording, first, second, relation, origins)
                self._counts["confirmed"] += 1
                self._counts["proven"] += all(verdicts.values()) and bool(verdicts)

    async def probe(self, limit: int) -> None:
        """Repeat sessions without one of their writers, where that can show an effect that is only supposed so far."""
        done = {
            (str(session.labels.get("of")), str(session.labels.get("writer"))) for session in self._sessions(SessionKind.PROBE)
        }
        sessions = [
            (session, confirm.session_calls(self.recording, session)) for session in self._sessions(SessionKind.EXPLORE)
        ]
        chosen = confirm.probes(sessions, learn_effects(self.recording), limit=limit)
        todo = [item for item in chosen if (item[0].key, str(item[1])) not in done]
        pool = self.workshop.pool(lambda server: False)

        async def one(item: tuple[Session, ToolKey]) -> None:
            session, writer = item
            calls = confirm.session_calls(self.recording, session)
            kept = [call for call in calls if call.server == writer.server and call.key != writer]
            dropped = [call.seq for call in calls if call.key == writer]
            labels = {"of": session.key, "without": dropped, "writer": str(writer)}
            await self._again(session, kept, SessionKind.PROBE, f"{session.key}-without-{writer.tool}", labels, pool)

        try:
            await self._each("probe", todo, one)
            self._counts["probes"] += len(todo)
        finally:
            await pool.close()

    def report(self) -> ExploreReport:
        """What the exploration did, told from the recording."""
        return tell(
            self.recording,
            self._sessions(SessionKind.EXPLORE),
            servers=[name for name in self.specs if name not in self.left_out],
            left_out=self.left_out,
            counts=self._counts | Counter(starts=self.workshop.starts),
            failed=self._failed,
            seconds=time.monotonic() - self._started,
        )

    async def _round(self, planned: Sequence[Episode], pool: ServerPool, done: int, total: int) -> int:
        """Hold the sessions of one round, then learn from them in order."""
        held = {session.key for session in self._sessions(SessionKind.EXPLORE) if session.ended_at is not None}
        todo = [episode for episode in planned if episode.key(self.seed) not in held]
        self._counts["skipped"] += len(planned) - len(todo)
        count = done + len(planned) - len(todo)

        async def one(episode: Episode) -> None:
            nonlocal count
            await self._episode(episode, pool)
            count += 1
            self._progress("explore", count, total)

        self._progress("explore", count, total)
        await self._each("", todo, one)
        self._learn({episode.key(self.seed): episode.number for episode in planned})
        return done + len(planned)

    async def _episode(self, episode: Episode, pool: ServerPool) -> None:
        servers = [name for name in episode.servers if name not in self.left_out]
        if len(servers) < len(episode.servers):
            return
        key = episode.key(self.seed)
        outcome = Outcome(key)
        for attempt in range(ATTEMPTS):
            name = key if attempt == 0 else f"{key}-{attempt + 1}"
            labels = episode.labels(self.seed) | ({"attempt": attempt + 1} if attempt else {})
            outcome = await hold_session(
                self.recording,
                self.workshop.factory(servers, SessionKind.EXPLORE, labels, pool),
                key=name,
                servers=servers,
                make_model=self._model_maker(episode),
                instructions=episode.instructions(),
                budget=self.budget,
                allowed=self.workshop.allowed,
            )
            if outcome.boundary in (None, "budget", "model"):  # the model's client has retried already
                break
            if outcome.boundary == "server" and episode.kind == "tour":
                self.left_out[servers[0]] = outcome.error
                break
            await asyncio.sleep(_BACKOFF_SECONDS * 2**attempt)
        self._counts["episodes"] += 1
        if outcome.boundary is not None:
            self._failed[outcome.boundary] += 1
            label(self.recording, outcome.key, {"failed": {"boundary": outcome.boundary, "error": outcome.error}})

    def _model_maker(self, episode: Episode) -> Callable[[Mapping[ToolKey, Tool], Mapping[ToolKey, str]], Model]:
        def make(tools: Mapping[ToolKey, Tool], names: Mapping[ToolKey, str]) -> Model:
            if self._named is not None:
                return self._named
            touring = episode.kind == "tour"
            planner = EpisodePlanner(
                {
                    key: ToolInfo(key, names[key], tool.description, tool.input_schema, tool.annotations)
                    for key, tool in tools.items()
                },
                ArgumentPlanner(self._memory, self._dictionary, curious=touring),
                episode.rng(self.seed),
                steps=episode.steps,
                length=tour_length(len(tools), self.budget.calls) if touring else episode.length,
                repeats=2 if touring else 1,
                writes={key: self._relation.writes(key) for key in tools} if self._relation.tools else None,
                retries=1,
                cover=touring,
            )
            return OfflineModel(planner, names)

        return make

    async def _again(
        self, session: Session, calls: Sequence[Call], kind: str, key: str, labels: Mapping[str, Any], pool: ServerPool
    ) -> None:
        """Make calls of a session again under another name; a failure is kept as a label."""
        servers = [name for name in self.specs if any(call.server == name for call in calls)]
        if kind != SessionKind.PROBE:
            connected = [link.server for link in queries.connections(self.recording, session.id)]
            servers = [name for name in self.specs if name in connected]
        if not servers:
            return
        factory = self.workshop.factory(servers, kind, labels, pool)
        try:
            async with asyncio.timeout(self.budget.seconds + self.budget.start_seconds):
                await confirm.repeat(self.recording, factory, calls, servers=servers, key=key)
        except (ServerError, TimeoutError) as trouble:
            self._failed["server"] += 1
            label(self.recording, key, {"failed": {"boundary": "server", "error": str(trouble)[:300]}})
        finally:
            await factory.close()

    async def _each(self, stage: str, items: Sequence[Any], work: Callable[[Any], Awaitable[None]]) -> None:
        """Do the work of all items, so many at once."""
        gate = asyncio.Semaphore(self._concurrency)
        done = 0

        async def one(item: Any) -> None:
            nonlocal done
            async with gate:
                await work(item)
            done += 1
            if stage:
                self._progress(stage, done, len(items))

        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item))

    def _learn(self, numbers: Mapping[str, int]) -> None:
        """Learn from sessions not learnt from before, in the order of their episodes."""
        fresh = [session for session in self._sessions(SessionKind.EXPLORE) if session.id not in self._learnt]
        for session in sorted(fresh, key=lambda session: int(session.labels.get("episode", numbers.get(session.key, 0)))):
            self._learnt.add(session.id)
            self._memory.learn_calls(confirm.session_calls(self.recording, session))

    def _sessions(self, kind: str) -> list[Session]:
        return [
            session
            for session in queries.sessions(self.recording, kind=kind)
            if kind != SessionKind.EXPLORE or session.labels.get("seed") == self.seed
        ]

    def _spent(self, max_calls: int | None, max_seconds: float | None) -> bool:
        if max_seconds is not None and time.monotonic() - self._started > max_seconds:
            return True
        if max_calls is None:
            return False
        return sum(session.calls for session in self._sessions(SessionKind.EXPLORE)) >= max_calls
