"""The stages after exploring: every useful session observed a second time, and repeated to settle what affects what."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from firefly_agents import confirm
from firefly_agents.pool import ServerPool
from firefly_agents.probes import Probe, probes, share_settled
from firefly_agents.session import label
from firefly_agents.settings import ExploreSettings, Progress
from firefly_agents.workshop import Workshop
from firefly_mcp.errors import ServerError
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.types import Call, Session, SessionKind

Item = TypeVar("Item")


class SecondLooks:
    """Repeats sessions of one exploration."""

    def __init__(
        self, workshop: Workshop, settings: ExploreSettings, progress: Progress, spent: Callable[[], bool] = lambda: False
    ) -> None:
        """Repeat sessions in the sandboxes of a workshop, until ``spent`` says that time is over."""
        self._workshop = workshop
        self._recording = workshop.recording
        self._settings = settings
        self._progress = progress
        self._spent = spent
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def confirm(
        self, explored: Sequence[Session], relation: EffectRelation, *, least: int = 2, pool: ServerPool | None = None
    ) -> None:
        """Observe every session with at least so many successful calls a second time, and prove where it began.

        Args:
            explored: the sessions; those with servers that are not there now are passed over.
            relation: what may affect what.
            least: successful calls that make a session worth it.
            pool: where servers come from, other processes than those of the first time; it stays open. None for one of its own.
        """
        there = set(self._workshop.specs)
        sessions = {
            session.key: session
            for session in explored
            if there.issuperset(link.server for link in queries.connections(self._recording, session.id))
        }
        again = {str(session.labels.get("of")) for session in self._sessions(SessionKind.CONFIRM)}
        todo = [
            (session, calls)
            for key, session in sessions.items()
            if key not in again and (calls := confirm.session_calls(self._recording, session)) and confirm.useful(calls, least)
        ]
        source = pool or self._workshop.pool(relation.stateless)

        async def one(item: tuple[Session, list[Call]]) -> None:
            session, calls = item
            await self._again(session, calls, SessionKind.CONFIRM, f"{session.key}-confirm", {"of": session.key}, source)

        try:
            await each(todo, one, self._settings.concurrency, "confirm", self._progress, self._spent)
        finally:
            if pool is None:
                await source.close()
        learnt = learn_effects(self._recording)
        seeds, specs = self._workshop.seeds, self._workshop.specs
        origins = {name: seeds.origin_id(spec) for name, spec in specs.items()}
        for second in self._sessions(SessionKind.CONFIRM):
            first = sessions.get(str(second.labels.get("of")))
            if first is not None:
                verdicts = confirm.prove(self._recording, first, second, learnt, origins)
                self.counts["confirmed"] += 1
                self.counts["proven"] += all(verdicts.values()) and bool(verdicts)

    async def probe(self, explored: Sequence[Session]) -> None:
        """Make the few calls that settle effects which are only supposed so far."""
        done = {session.key for session in self._sessions(SessionKind.PROBE)}
        sessions = [(session, confirm.session_calls(self._recording, session)) for session in explored]
        chosen = probes(sessions, learn_effects(self._recording), limit=self._settings.probing)
        todo = [item for item in chosen if item.key not in done]
        pool = self._workshop.pool(lambda server: False)

        async def one(item: Probe) -> None:
            await self._again(item.session, item.calls, SessionKind.PROBE, item.key, item.labels(), pool)

        try:
            await each(todo, one, self._settings.concurrency, "probe", self._progress, self._spent)
            self.counts["probes"] += len(todo)
            pairs, settled = share_settled(learn_effects(self._recording))
            self.counts["effect_pairs"], self.counts["effect_pairs_settled"] = pairs, settled
        finally:
            await pool.close()

    async def _again(
        self, session: Session, calls: Sequence[Call], kind: str, key: str, labels: Mapping[str, Any], pool: ServerPool
    ) -> None:
        """Make calls of a session again under another name; a failure is kept as a label."""
        specs, budget = self._workshop.specs, self._settings.budget
        servers = [name for name in specs if any(call.server == name for call in calls)]
        if kind != SessionKind.PROBE:
            connected = [link.server for link in queries.connections(self._recording, session.id)]
            servers = [name for name in specs if name in connected]
        if not servers:
            return
        factory = self._workshop.factory(servers, kind, labels, pool)
        try:
            async with asyncio.timeout(budget.seconds + budget.start_seconds):
                await confirm.repeat(self._recording, factory, calls, servers=servers, key=key)
        except (ServerError, TimeoutError) as trouble:
            self.failed["server"] += 1
            label(self._recording, key, {"failed": {"boundary": "server", "error": str(trouble)[:300]}})
        finally:
            await factory.close()

    def _sessions(self, kind: str) -> list[Session]:
        return queries.sessions(self._recording, kind=kind)


async def each(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[None]],
    concurrency: int,
    stage: str = "",
    progress: Progress = lambda stage, done, total: None,
    spent: Callable[[], bool] = lambda: False,
) -> None:
    """Do the work of all items, so many at once; none is begun once ``spent`` says so."""
    gate = asyncio.Semaphore(concurrency)
    done = 0

    async def one(item: Item) -> None:
        nonlocal done
        async with gate:
            if spent():
                return
            await work(item)
        done += 1
        if stage:
            progress(stage, done, len(items))

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
