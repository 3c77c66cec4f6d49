"""Learn effects from what was recorded: the same read before and after a write, with the same answer or another.

The rules are in :mod:`firefly_mcp.state.evidence`. Here the calls are read out of the recording, and what was learnt is written
into it for others to see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firefly_mcp.jsonio import text
from firefly_mcp.observe.success import told_error
from firefly_mcp.state.declared import declared_stateless
from firefly_mcp.state.effects import Effect, EffectRelation, Pair
from firefly_mcp.state.evidence import Observed, Probe, observe
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, SessionKind, Tool, ToolKey

__all__ = ["declared_stateless", "learn_effects", "observed_effects", "relation_of", "store_effects"]


def learn_effects(
    recording: Recording,
    declared: Mapping[Pair, Effect] | None = None,
    volatile: Mapping[ToolKey, bool] | None = None,
) -> EffectRelation:
    """The effect relation of everything in the recording.

    Args:
        recording: its calls are the evidence, replayed ones apart.
        declared: what the user says of pairs.
        volatile: which tools the user says to answer otherwise by themselves, or not to.
    """
    tools = queries.tool_map(recording)
    observed = observed_effects(recording, tools)
    said = volatile or {}
    return EffectRelation(
        tools,
        observed=observed.effects,
        declared=declared,
        volatile={*(key for key in observed.volatile if said.get(key, True)), *(key for key, value in said.items() if value)},
        stateless=declared_stateless(recording),
    )


def observed_effects(recording: Recording, tools: Mapping[ToolKey, Tool], server: str | None = None) -> Observed:
    """What the recorded calls show, of all servers or of one."""
    by_session: dict[int, list[Call]] = defaultdict(list)
    for call in queries.calls(recording, server=server, evidence_only=True, results=False):
        by_session[call.session].append(call)
    links: list[Probe] = [
        (by_session[session.id], by_session[of])
        for session in queries.sessions(recording, kind=SessionKind.PROBE)
        if (of := _session_of(recording, session.labels.get("of"))) is not None
    ]

    def result_of(call: Call) -> Any:
        return recording.load_result(call.result_hash) if call.result_hash else None

    def succeeded(call: Call) -> bool:
        return not call.is_error and call.error is None and not told_error(result_of(call))

    return observe(tools, list(by_session.values()), links, succeeded=succeeded, result_of=result_of)


def store_effects(recording: Recording, relation: EffectRelation) -> None:
    """Write the relation, with its evidence, into the ``effect`` table, in place of what stood there."""
    ids = {str(name): int(str(number)) for number, name in recording.db.execute("SELECT id, name FROM server")}
    rows = [
        (ids[writer.server], writer.tool, reader.tool, int(effect.affects), effect.source, text(effect.evidence))
        for writer, reader, effect in relation.pairs()
        if writer.server == reader.server
    ]
    with recording.transaction() as db:
        db.execute("DELETE FROM effect")
        db.executemany("INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?)", rows)


def relation_of(
    tools: Mapping[ToolKey, Tool],
    sessions: Iterable[Sequence[Call]],
    probes: Iterable[Probe] = (),
    declared: Mapping[Pair, Effect] | None = None,
) -> EffectRelation:
    """The relation shown by these sessions (each in order) and probes (``(probe, the session it repeats)``)."""
    observed = observe(tools, list(sessions), list(probes))
    return EffectRelation(tools, observed=observed.effects, declared=declared, volatile=observed.volatile)


def _session_of(recording: Recording, key: Any) -> int | None:
    rows = recording.db.execute("SELECT id FROM session WHERE key = ?", (str(key),)).fetchall()
    return int(str(rows[0][0])) if rows else None
