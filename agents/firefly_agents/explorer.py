"""Explore servers: tours, walks along sampled sub-DAGs, then second observations of everything useful.

A round of episodes is planned against what is known at its start, and what it taught is learnt in the order of the episodes,
so the same seed makes the same calls at any concurrency (as far as the servers are deterministic). Episodes that the
recording holds already are passed over: an interrupted exploration goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from agents import Model
from firefly_agents import confirm
from firefly_agents.episodes import Episode, walks, worth_walking
from firefly_agents.explore_report import ExploreReport, tell
from firefly_agents.guides import Guide
from firefly_agents.models import make_named_model
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.pool import ServerPool
from firefly_agents.second_looks import SecondLooks, each
from firefly_agents.session import Outcome, hold_session, label
from firefly_agents.settings import OFFLINE, ExploreSettings, Progress
from firefly_agents.tours import Tours
from firefly_agents.workshop import Workshop
from firefly_mcp.graph.store import build_from, load_coverage
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.learn import declared_stateless
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Session, SessionKind

ROUND = 16
"""Walks planned against one state of knowledge, at least."""
EXPLORING = 0.6
"""The share of a limited time that is left to exploring where second observations are to follow."""
ATTEMPTS = 3
_BACKOFF_SECONDS = 0.5
_BOUNDED = ("budget", "model")
"""Boundaries at which a session ended without fault of its server; the model's client has retried already."""


async def explore(
    recording: Recording,
    specs: Mapping[str, ServerSpec],
    settings: ExploreSettings | None = None,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> ExploreReport:
    """Explore ``specs`` and record everything.

    Args:
        recording: written to; episodes that it holds already for this seed are passed over.
        specs: the servers, not expanded.
        settings: how much, of what, and for how long.
        progress: told how far it is.

    Raises:
        ModelError: the model is not configured.
        ConfigError: a seed file is missing or a variable is not set.
    """
    settings = settings or ExploreSettings()
    named = None if settings.model == OFFLINE else make_named_model(settings.model)
    workshop = Workshop(recording, specs, settings)
    try:
        explorer = Explorer(workshop, settings, named=named, progress=progress)
        await explorer.run()
        if settings.confirming:
            await explorer.look_again()
        return explorer.report()
    finally:
        if named is not None:
            await named.close()
        workshop.clean_up()


class Explorer:
    """One exploration in progress."""

    def __init__(self, workshop: Workshop, settings: ExploreSettings, *, named: Model | None, progress: Progress) -> None:
        """Explore the servers of a workshop; ``named`` is the model, None the embedded one."""
        self.workshop = workshop
        self.recording = workshop.recording
        self.specs = workshop.specs
        self.settings = settings
        self.left_out: dict[str, str] = {}
        self._progress = progress
        self._memory = ValueMemory()
        self._guide = Guide(workshop, settings, self._memory, named)
        self._learnt: set[int] = set()
        self._started = time.monotonic()
        self._relation = EffectRelation({})
        self._known: set[str] = set()
        self._failed: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(settings.per_server))
        self._done = 0

    async def run(self) -> None:
        """Tours first, then rounds of walks."""
        pool = self.workshop.pool(lambda server: server in self._known and self._relation.stateless(server))
        try:
            if self.settings.guidance == "guided":
                number = await self._tour(pool)
                await self._walk(pool, number)
            else:
                await self._wander(pool)
        finally:
            await pool.close()

    async def look_again(self) -> None:
        """Observe every useful session a second time, and settle effects."""
        looks = SecondLooks(self.workshop, self.settings, self._progress, self._out_of_time)
        await looks.confirm(self._sessions(), self._relation)
        if self.settings.probing:
            await looks.probe(self._sessions())
        self._counts += looks.counts
        self._failed += looks.failed

    def report(self) -> ExploreReport:
        """What the exploration did, told from the recording."""
        return tell(
            self.recording,
            self._sessions(),
            servers=[name for name in self.specs if name not in self.left_out],
            left_out=self.left_out,
            counts=self._counts | Counter(starts=self.workshop.starts),
            failed=self._failed,
            seconds=time.monotonic() - self._started,
            price=self.settings.price,
        )

    async def _tour(self, pool: ServerPool) -> int:
        """Rounds of tours; gives the number of the next episode."""
        tours = Tours(list(self.specs), rounds=self.settings.tour_rounds, calls=self.settings.budget.calls)
        number = 0
        while number < self.settings.episodes and not self._spent():
            tools = {key: tool for key, tool in queries.tool_map(self.recording).items() if self.workshop.allowed(tool)}
            planned = tours.next(tools, self._memory, number)[: self.settings.episodes - number]
            planned = [episode for episode in planned if episode.servers[0] not in self.left_out]
            if not planned:
                break
            await self._round(planned, pool)
            number = planned[-1].number + 1
        return number

    async def _walk(self, pool: ServerPool, number: int) -> None:
        while number < self.settings.episodes and not self._spent():
            coverage = load_coverage(self.recording)
            graph = worth_walking(build_from(self.recording, seed=self.settings.seed), self._memory)
            # What is known grows ever slower, and weighing all of it anew costs ever more.
            count = min(max(ROUND, number // 4), self.settings.episodes - number)
            planned = walks(graph, coverage, first=number, count=count, seed=self.settings.seed, most=self.settings.walk_calls)
            if not planned:
                return
            await self._round(planned, pool)
            number += len(planned)

    async def _wander(self, pool: ServerPool) -> None:
        """Unguided episodes: a server, and one call after another of whatever it offers."""
        names = list(self.specs)
        for first in itertools.count(0, ROUND):
            numbers = range(first, min(first + ROUND, self.settings.episodes))
            if not numbers or self._spent():
                return
            planned = [Episode(number, "wander", (self._guide.server(names, number),), length=16) for number in numbers]
            await self._round(planned, pool)

    async def _round(self, planned: Sequence[Episode], pool: ServerPool) -> None:
        """Hold the sessions of one round, then learn from them in order."""
        seed, total = self.settings.seed, self.settings.episodes
        held = {session.key for session in self._sessions() if session.ended_at is not None}
        todo = [episode for episode in planned if episode.key(seed) not in held]
        self._counts["skipped"] += len(planned) - len(todo)
        self._done += len(planned) - len(todo)

        async def one(episode: Episode) -> None:
            gates = [self._gates[name] for name in sorted(episode.servers)]
            for gate in gates:
                await gate.acquire()
            try:
                await self._episode(episode, pool)
            finally:
                for gate in gates:
                    gate.release()
            self._done += 1
            self._progress("explore", self._done, total)

        self._progress("explore", self._done, total)
        await each(todo, one, self.settings.concurrency, spent=self._spent)
        self._learn({episode.number for episode in planned})
        tools = queries.tool_map(self.recording)
        if tools.keys() != self._relation.tools.keys():
            self._relation = EffectRelation(tools, stateless=declared_stateless(self.recording))
            self._known = {key.server for key in tools}

    async def _episode(self, episode: Episode, pool: ServerPool) -> None:
        servers = [name for name in episode.servers if name not in self.left_out]
        if len(servers) < len(episode.servers):
            return
        seed, budget = self.settings.seed, self.settings.budget
        key = episode.key(seed)
        outcome = Outcome(key)
        for attempt in range(ATTEMPTS):
            name = key if attempt == 0 else f"{key}-{attempt + 1}"
            labels = episode.labels(seed) | ({"attempt": attempt + 1} if attempt else {})
            outcome = await hold_session(
                self.recording,
                self.workshop.factory(servers, SessionKind.EXPLORE, labels, pool),
                key=name,
                servers=servers,
                make_model=self._guide.model_maker(episode, self._relation),
                instructions=episode.instructions(),
                budget=budget,
                allowed=self.workshop.allowed,
                handshake=attempt == 0,
            )
            if outcome.boundary is None or outcome.boundary in _BOUNDED:
                break
            if outcome.boundary == "server" and not any(server in self._known for server in servers):
                self.left_out[servers[0]] = outcome.error
                break
            await asyncio.sleep(_BACKOFF_SECONDS * 2**attempt)
        self._counts["episodes"] += 1
        self._counts += Counter({f"tokens_{name}": count for name, count in outcome.usage.items()})
        if outcome.usage:
            label(self.recording, outcome.key, {"usage": outcome.usage})
        if outcome.boundary is not None:
            self._failed[outcome.boundary] += 1
            label(self.recording, outcome.key, {"failed": {"boundary": outcome.boundary, "error": outcome.error}})

    def _learn(self, numbers: set[int]) -> None:
        """Learn from the sessions of these episodes, in their order.

        Not from later ones that an interrupted run left: each round is then planned as it was the first time.
        """
        fresh = [
            session
            for session in self._sessions()
            if session.id not in self._learnt and session.labels.get("episode") in numbers
        ]
        for session in sorted(fresh, key=lambda session: (int(session.labels["episode"]), session.id)):
            self._learnt.add(session.id)
            self._memory.learn_calls(confirm.session_calls(self.recording, session))

    def _sessions(self) -> list[Session]:
        """The exploring sessions of this seed."""
        found = queries.sessions(self.recording, kind=SessionKind.EXPLORE)
        return [session for session in found if session.labels.get("seed") == self.settings.seed]

    def _out_of_time(self, share: float = 1.0) -> bool:
        limit = self.settings.max_seconds
        return limit is not None and time.monotonic() - self._started > limit * share

    def _spent(self) -> bool:
        """Whether a budget of the whole exploration is used up."""
        limits = self.settings
        used = self._counts["tokens_input"] + self._counts["tokens_output"]
        share = EXPLORING if limits.confirming else 1.0
        if self._out_of_time(share) or (limits.max_tokens is not None and used >= limits.max_tokens):
            return True
        return limits.max_calls is not None and sum(session.calls for session in self._sessions()) >= limits.max_calls
