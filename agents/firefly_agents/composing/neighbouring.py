"""Record what lies beside admitted plans: their neighbours, each asked live in the state in which the plan would be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from firefly_agents.composing.performer import Performer
from firefly_agents.composing.scenario import Move, Scenario
from firefly_agents.confirm import began_alike, session_calls
from firefly_agents.second_looks import each
from firefly_agents.settings import ExploreSettings, Progress
from firefly_agents.workshop import Workshop
from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Replay
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.neighbours import Neighbour, Values, neighbours
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.types import Call, SessionKind, ToolKey, params_of

_TOGETHER = 24
_SERVERS = 3
_BESIDE = 8
"""Neighbours of one plan on one stateful server at most."""


async def record_neighbours(
    recording: Recording,
    specs: Mapping[str, ServerSpec],
    tasks: Sequence[Task],
    settings: ExploreSettings,
    *,
    per_argument: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> JsonObject:
    """Record the neighbours of admitted plans; those that the recording holds already are passed over.

    Args:
        recording: it proves the tasks, and is written to.
        specs: the servers; plans with others are left out.
        tasks: the admitted tasks.
        settings: seed, time, concurrency, seed files.
        per_argument: neighbours of each argument at most.
        progress: told how far it is.

    Returns:
        How many sessions were held, calls made and beginnings proven.

    Raises:
        ConfigError: a seed file is missing or a variable is not set.
    """
    replay = strict_replay(recording)
    planned = Beside(tasks, specs, replay, seed=settings.seed, per_argument=per_argument)
    scenarios = list({scenario.key: scenario for scenario in planned.scenarios()}.values())
    Random(f"{settings.seed}/order").shuffle(scenarios)  # what time leaves for is a fair part of all
    workshop = Workshop(recording, specs, settings)
    performer = Performer(workshop, settings.budget)
    relation = replay.index.relation
    held = {session.key for session in queries.sessions(recording, kind=SessionKind.EXPLORE) if session.ended_at is not None}
    todo = [scenario for scenario in scenarios if scenario.key not in held]
    pool = workshop.pool(relation.stateless)
    clock = _Clock(settings.max_seconds)

    async def one(scenario: Scenario) -> None:
        await performer.perform(scenario, pool)

    try:
        await each(todo, one, settings.concurrency, "neighbours", progress, clock.over)
    finally:
        await pool.close()
        workshop.clean_up()
    origins = {name: workshop.seeds.origin_id(spec) for name, spec in specs.items()}
    proven = prove_beginnings(recording, {scenario.key for scenario in todo}, planned.recorded, relation, origins)
    return {
        "sessions": performer.counts["sessions"],
        "held_before": len(scenarios) - len(todo),
        "calls": performer.counts["calls"],
        "succeeded": performer.counts["succeeded"],
        "proven": proven,
        "starts": workshop.starts,
        "failed": dict(performer.failed),
    }


class Beside:
    """Plans the sessions that make neighbouring calls."""

    def __init__(
        self, tasks: Sequence[Task], servers: Iterable[str], replay: Replay, *, seed: int, per_argument: int = 1
    ) -> None:
        """Plan for the tasks whose plans can be followed and whose servers are at hand."""
        self._tasks = tasks
        self._servers = set(servers)
        self._replay = replay
        self._seed = seed
        self._per_argument = per_argument
        self.recorded: dict[tuple[ToolKey, str], list[Call]] = defaultdict(list)
        """The recorded calls of the plans that are made again, by tool and hash."""

    def scenarios(self) -> Iterator[Scenario]:
        """Neighbours of calls that depend on no state, many together; then those of each plan's stateful calls."""
        recording, relation = self._replay.recording, self._replay.index.relation
        values = Values(queries.calls(recording, method="tools/call", evidence_only=True))
        free: dict[tuple[ToolKey, str], Neighbour] = {}
        bound: dict[str, Scenario] = {}
        for task in self._tasks:
            if not self._servers.issuperset(task.servers):
                continue
            try:
                seen = observe(task, self._replay)
            except PlanBrokenError:
                continue
            rng = Random(f"{self._seed}/neighbours/{task.id}")
            found = neighbours(task, seen, values, rng, per_argument=self._per_argument)
            for one in found:
                if not relation.reads_state(one.tool) and not relation.writes(one.tool) and self._fresh(one):
                    free.setdefault((one.tool, _hash(one)), one)
            for server in task.servers:
                own = [one for one in found if one.tool.server == server and not self._replay.index.relation.stateless(server)]
                scenario = self._along(task, seen, server, own)
                if scenario is not None:
                    bound.setdefault(scenario.key, scenario)
        yield from _together(free.values())
        yield from bound.values()

    def _fresh(self, one: Neighbour) -> bool:
        """Whether the call was never recorded."""
        return not self._replay.index.exact(one.tool, _hash(one))

    def _along(self, task: Task, seen: Observed, server: str, found: Sequence[Neighbour]) -> Scenario | None:
        """A plan's calls of one server in their order, before each its neighbours; one of a writer comes last of all."""
        relation = self._replay.index.relation
        stateful = [one for one in found if relation.reads_state(one.tool) or relation.writes(one.tool)]
        if not stateful:
            return None
        moves: list[Move] = []
        beside = 0
        nodes = [node for node in task.plan if node.server == server]
        last: Neighbour | None = None
        for node in nodes:
            own = [one for one in stateful if one.node == node.id]
            if relation.writes(node.key):
                last = own[0] if own and node is nodes[-1] else last
            else:
                for one in own[: max(0, _BESIDE - beside)]:
                    moves.append(Move(one.tool, one.arguments))
                    beside += 1
            step = seen.steps[node.id]
            self.recorded[node.key, step.call.args_hash].append(step.call)
            if last is None or node is not nodes[-1]:
                moves.append(Move(node.key, step.arguments, vital=True))
        if last is not None:
            moves.append(Move(last.tool, last.arguments))
            beside += 1
        return Scenario("neighbours", tuple(moves), (("beside", task.id),)) if beside else None


def prove_beginnings(
    recording: Recording,
    keys: set[str],
    recorded: Mapping[tuple[ToolKey, str], Sequence[Call]],
    relation: EffectRelation,
    origins: Mapping[str, str],
) -> int:
    """Mark where sessions began that made a proven plan's calls again and were given the same answers.

    Returns:
        How many connections were marked.
    """
    proven = 0
    for session in queries.sessions(recording, kind=SessionKind.EXPLORE):
        if session.key not in keys:
            continue
        pairs: dict[str, list[tuple[Call, Call]]] = defaultdict(list)
        for call in session_calls(recording, session):
            before = recorded.get((call.key, call.args_hash))
            if before:
                same = next((one for one in before if one.result_hash == call.result_hash), before[0])
                pairs[call.server].append((same, call))
        for server, found in pairs.items():
            if began_alike(found, relation):
                SessionWriter(recording, session.id, session.key).set_origin(server, f"proven({origins[server]})")
                proven += 1
    return proven


def _together(found: Iterable[Neighbour]) -> Iterator[Scenario]:
    """Sessions of calls that depend on nothing, of a few servers each."""
    by_server: dict[str, list[Neighbour]] = defaultdict(list)
    for one in found:
        by_server[one.tool.server].append(one)
    waiting: list[Move] = []
    servers: Counter[str] = Counter()
    for server in sorted(by_server):
        for one in by_server[server]:
            if len(waiting) >= _TOGETHER or (server not in servers and len(servers) >= _SERVERS):
                yield Scenario("neighbours", tuple(waiting))
                waiting, servers = [], Counter()
            waiting.append(Move(one.tool, one.arguments))
            servers[server] += 1
    if waiting:
        yield Scenario("neighbours", tuple(waiting))


def _hash(one: Neighbour) -> str:
    return call_hash("tools/call", params_of(one.tool.tool, one.arguments))


class _Clock:
    def __init__(self, seconds: float | None) -> None:
        import time

        self._now = time.monotonic
        self._end = None if seconds is None else time.monotonic() + seconds

    def over(self) -> bool:
        return self._end is not None and self._now() > self._end
