"""Scenarios for tools of which no call is fit for a task yet: seen once, or only late in long sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from random import Random

from firefly_agents.composing.known import Known
from firefly_agents.composing.scenario import Scenario
from firefly_agents.composing.script import Script
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind, ToolKey

MOST_CONTEXT = 3
"""Writes that may stand before a call that is fit for a task."""
_TOGETHER = 16
_SERVERS = 3


def ready(recording: Recording, known: Known) -> set[ToolKey]:
    """The tools with a good call that was observed twice from a proven beginning, with few writes before it."""
    proven = {(link.session, link.server) for link in queries.connections(recording) if link.origin.startswith("proven(")}
    again = {
        str(session.labels.get("of")) for session in queries.sessions(recording, kind=SessionKind.CONFIRM) if session.ended_at
    }
    twice = {session.id for session in queries.sessions(recording, kind=SessionKind.EXPLORE) if session.key in again}
    return {
        key
        for key, calls in known.good.items()
        if any(
            call.session in twice and (call.session, call.server) in proven and known.context(call) <= MOST_CONTEXT
            for call in calls
        )
    }


def lone(known: Known, done: Collection[ToolKey], *, seed: int) -> Iterator[Scenario]:
    """A call of each tool not done yet, with what it needs: those of stateless servers together, others by themselves."""
    groups: dict[str, list[ToolKey]] = defaultdict(list)
    for key in sorted(known.good):
        if key not in done and key not in known.relation.volatile:
            groups[key.server].append(key)
    waiting: Script | None = None
    servers: set[str] = set()
    for server, keys in groups.items():
        stateless = known.relation.stateless(server)
        for key in keys:
            if not stateless:
                script = Script(known, Random(f"{seed}/{key}"))
                if _play(script, known, key) and len(script) <= MOST_CONTEXT + 3:
                    yield script.scenario("lone")
                continue
            if waiting is not None and (len(waiting) >= _TOGETHER or len(servers | {server}) > _SERVERS):
                yield waiting.scenario("lone")
                waiting, servers = None, set()
            waiting = waiting or Script(known, Random(f"{seed}/lone"))
            servers.add(server)
            _play(waiting, known, key)
    if waiting is not None and len(waiting):
        yield waiting.scenario("lone")


def _play(script: Script, known: Known, key: ToolKey) -> bool:
    chains = [chain for call in known.good[key][:6] if (chain := known.chain(call)) is not None]
    if not chains:
        return False
    for call in min(chains, key=len):
        if not script.holds(call):
            script.add(call)
    return True
