"""Scenarios for tools of which too few calls are fit for a task yet: seen once, only late in long sessions, or with an answer
that says nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

from firefly_agents.composing.anew import anew
from firefly_agents.composing.known import Known
from firefly_agents.composing.scenario import Scenario
from firefly_agents.composing.script import Script
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.fields import TELLING, Offers
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call, SessionKind, ToolKey, params_of

MOST_CONTEXT = 3
"""Writes that may stand before a call that is fit for a task."""
WANTED = 3
"""Calls of a tool without state that are made fit, if so many say something; of one with state it is one."""
_TOGETHER = 16
_SERVERS = 3
_TRIED = 8
"""Calls with other arguments (:func:`anew`) that are tried where no recorded one said anything."""


class Telling:
    """Which calls' answers say something that a task can ask for."""

    def __init__(self, recording: Recording) -> None:
        """Judge the answers of one recording."""
        variety = Variety(queries.calls(recording, method="tools/call", evidence_only=True))
        self._offers = Offers(recording.load_result, variety, lambda call: ())
        self._known: dict[int, bool] = {}

    def __call__(self, call: Call) -> bool:
        """Whether the answer holds a telling value that was not among the arguments."""
        if call.id not in self._known:
            self._known[call.id] = any(field.worth >= TELLING for field in self._offers.of(call).fields)
        return self._known[call.id]


def ready(recording: Recording, known: Known, tells: Callable[[Call], bool]) -> Counter[ToolKey]:
    """How many calls of each tool say something and were observed twice from a proven beginning, with few writes before."""
    proven = {(link.session, link.server) for link in queries.connections(recording) if link.origin.startswith("proven(")}
    again = {
        str(session.labels.get("of")) for session in queries.sessions(recording, kind=SessionKind.CONFIRM) if session.ended_at
    }
    twice = {session.id for session in queries.sessions(recording, kind=SessionKind.EXPLORE) if session.key in again}
    found: Counter[ToolKey] = Counter()
    for key, calls in known.good.items():
        for call in calls:
            if call.session in twice and (call.session, call.server) in proven and known.context(call) <= MOST_CONTEXT:
                found[key] += tells(call)
    return found


def lone(known: Known, done: Mapping[ToolKey, int], tells: Callable[[Call], bool], *, seed: int) -> Iterator[Scenario]:
    """Calls of each tool of which too few are done, with what they need: those of stateless servers together, others by
    themselves.

    Args:
        known: what works.
        done: how many calls of a tool are fit already.
        tells: whether a call's answer says something.
        seed: of all choices.
    """
    groups: dict[str, list[ToolKey]] = defaultdict(list)
    for key in sorted(known.good):
        wanted = WANTED if known.relation.stateless(key.server) else 1
        if done.get(key, 0) < wanted and key not in known.relation.volatile:
            groups[key.server].append(key)
    waiting: Script | None = None
    servers: set[str] = set()
    for server, keys in groups.items():
        if not known.relation.stateless(server):
            for key in keys:
                script = Script(known, Random(f"{seed}/{key}"))
                if _play(script, known, key, tells, 1):
                    yield script.watched("lone")
            continue
        for key in keys:
            if waiting is not None and (len(waiting) >= _TOGETHER or len(servers | {server}) > _SERVERS):
                yield waiting.scenario("lone")
                waiting, servers = None, set()
            waiting = waiting or Script(known, Random(f"{seed}/lone"))
            servers.add(server)
            _play(waiting, known, key, tells, WANTED - done.get(key, 0))
    if waiting is not None and len(waiting):
        yield waiting.scenario("lone")


def _play(script: Script, known: Known, key: ToolKey, tells: Callable[[Call], bool], wanted: int) -> bool:
    """Take over the shortest ways to calls of the tool that say something; where none does, calls with other arguments."""
    saying = [call for call in known.good[key] if tells(call)]
    chains = [chain for call in saying or known.good[key][:6] if (chain := known.chain(call)) is not None]
    chains.sort(key=len)
    for chain in chains[: wanted if saying else 1]:
        for call in chain:
            if not script.holds(call):
                script.add(call)
    if not saying and not known.writes(key):
        for chain in chains[:1]:
            call = chain[-1]
            for _ in range(_TRIED):
                other = anew(known.infos[key], call.arguments, script.rng)
                script.add(replace(call, params=params_of(key.tool, other)), vary=True)
    return bool(chains) and len(chains[0]) <= MOST_CONTEXT + 3
