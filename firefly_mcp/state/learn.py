"""Learn effects from what was recorded: the same read before and after a write, with the same answer or another.

* X, W, X with two answers, W the only call in between that may write: W affects X.
* X, X with two answers and nothing in between: X is volatile.
* X, W, X with one answer shows that W does not affect X only if W succeeded and shares an identifying value with X (or X
  has none), over three distinct values or more.
* A probe session that repeats a session without its writes: a read that answers otherwise was affected by them.

Overlapping calls prove nothing. Replayed calls are no evidence.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firefly_mcp.jsonio import text
from firefly_mcp.state.effects import Effect, EffectRelation, Pair
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, CallStatus, SessionKind, Tool, ToolKey

EQUALITIES_NEEDED = 3


def learn_effects(
    recording: Recording,
    declared: Mapping[Pair, Effect] | None = None,
    volatile: Mapping[ToolKey, bool] | None = None,
) -> EffectRelation:
    """The effect relation of everything in the recording.

    Args:
        recording: what is learnt from.
        declared: effects that the user declares or denies, before all other evidence.
        volatile: tools of which the user says that they answer otherwise although nothing happened, or do not.
    """
    tools = queries.tool_map(recording)
    by_session: dict[int, list[Call]] = defaultdict(list)
    for call in queries.calls(recording, evidence_only=True, results=False):
        by_session[call.session].append(call)
    links = [
        (by_session[session.id], by_session[of])
        for session in queries.sessions(recording, kind=SessionKind.PROBE)
        if (of := _session_of(recording, session.labels.get("of"))) is not None
    ]
    relation = relation_of(tools, by_session.values(), links, {**declared_stateless(recording, tools), **(declared or {})})
    said = volatile or {}
    relation.volatile = frozenset(
        {key for key in relation.volatile if said.get(key, True)} | {key for key, is_volatile in said.items() if is_volatile}
    )
    return relation


def declared_stateless(recording: Recording, tools: Iterable[ToolKey]) -> dict[Pair, Effect]:
    """No effect between any tools of a server whose configuration says ``"firefly": {"stateless": true}``."""
    said = Effect(False, "declared", {"why": "the server's configuration says that it is stateless"})
    own = {name: (spec or {}).get("firefly") or {} for name, spec in queries.servers(recording).items()}
    stateless = {name for name, settings in own.items() if settings.get("stateless") is True}
    keys = [key for key in tools if key.server in stateless]
    return {(writer, reader): said for writer in keys for reader in keys if writer.server == reader.server}


def store_effects(recording: Recording, relation: EffectRelation) -> None:
    """Write the relation, with its evidence, into the ``effect`` table, in place of what stood there."""
    ids = {str(name): int(str(number)) for number, name in recording.db.execute("SELECT id, name FROM server")}
    rows = [
        (ids[writer.server], writer.tool, reader.tool, int(effect.affects), effect.source, text(effect.evidence))
        for writer, reader, effect in relation.pairs()
    ]
    with recording.transaction() as db:
        db.execute("DELETE FROM effect")
        db.executemany("INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?)", rows)


def relation_of(
    tools: Mapping[ToolKey, Tool],
    sessions: Iterable[Sequence[Call]],
    probes: Iterable[tuple[Sequence[Call], Sequence[Call]]] = (),
    declared: Mapping[Pair, Effect] | None = None,
) -> EffectRelation:
    """The relation shown by these sessions (each in order) and probes (``(probe, the session it repeats)``)."""
    prior = EffectRelation(tools)
    evidence = _Evidence(prior)
    for session in sessions:
        for _, calls in itertools.groupby(sorted(session, key=lambda c: (c.server, c.seq)), key=lambda c: c.server):
            evidence.read_session(list(calls))
    for probe, original in probes:
        evidence.read_probe(probe, original)
    return EffectRelation(tools, observed=evidence.effects(), declared=declared, volatile=evidence.volatile)


class _Evidence:
    """Collects differences and equalities, one session at a time."""

    def __init__(self, prior: EffectRelation) -> None:
        self.prior = prior
        self.volatile: set[ToolKey] = set()
        self.different: dict[Pair, tuple[int, int]] = {}
        self.equal: dict[Pair, set[str]] = defaultdict(set)

    def read_session(self, calls: Sequence[Call]) -> None:
        last: dict[tuple[ToolKey, str], int] = {}
        for index, call in enumerate(calls):
            if call.status != CallStatus.DONE or call.overlaps:
                continue
            seen = last.get((call.key, call.args_hash))
            if seen is not None:
                self._compare(calls[seen], call, calls[seen + 1 : index])
            last[(call.key, call.args_hash)] = index

    def _compare(self, before: Call, after: Call, between: Sequence[Call]) -> None:
        if any(call.overlaps for call in between):
            return
        writers = {call.key for call in between if self.prior.may_affect(call.key, after.key)}
        if before.result_hash != after.result_hash:
            if not between:
                self.volatile.add(after.key)
            elif len(writers) == 1:
                self.different.setdefault((writers.pop(), after.key), (before.id, after.id))
            elif not writers:
                # Only calls that are said to read stood between. A single one that is not X itself is accused;
                # with several, the answer may as well depend on time, and strict replay then takes X for volatile.
                others = {call.key for call in between} - {after.key}
                if len(others) == 1 and after.key not in self.volatile:
                    self.different.setdefault((others.pop(), after.key), (before.id, after.id))
                else:
                    self.volatile.add(after.key)
            return
        mine = _values(after.arguments)
        for call in between:
            if not call.is_error and call.key in writers and (not mine or mine & _values(call.arguments)):
                self.equal[(call.key, after.key)].add(call.args_hash)

    def read_probe(self, probe: Sequence[Call], original: Sequence[Call]) -> None:
        repeated = {(call.key, call.args_hash): call for call in probe if call.status == CallStatus.DONE}
        for index, call in enumerate(original):
            twin = repeated.get((call.key, call.args_hash))
            if twin is None or call.status != CallStatus.DONE or call.result_hash == twin.result_hash:
                continue
            left_out = {
                earlier.key
                for earlier in original[:index]
                if (earlier.key, earlier.args_hash) not in repeated and self.prior.may_affect(earlier.key, call.key)
            }
            if len(left_out) == 1:
                self.different.setdefault((left_out.pop(), call.key), (twin.id, call.id))

    def effects(self) -> dict[Pair, Effect]:
        """The verdicts: a difference wins over any number of equalities; a volatile reader shows nothing."""
        found = {
            pair: Effect(False, "equality", {"distinct_calls": len(values)})
            for pair, values in self.equal.items()
            if len(values) >= EQUALITIES_NEEDED
        }
        for pair, (before, after) in self.different.items():
            if pair[1] not in self.volatile:
                found[pair] = Effect(True, "observed", {"calls": [before, after]})
        return found


def _values(arguments: Any) -> set[str]:
    """The scalar values of arguments that can name a thing (not booleans or null)."""
    if isinstance(arguments, dict):
        return set().union(*(_values(value) for value in arguments.values())) if arguments else set()
    if isinstance(arguments, list):
        return set().union(*(_values(value) for value in arguments)) if arguments else set()
    return set() if arguments is None or isinstance(arguments, bool) else {str(arguments)}


def _session_of(recording: Recording, key: Any) -> int | None:
    rows = recording.db.execute("SELECT id FROM session WHERE key = ?", (str(key),)).fetchall()
    return int(str(rows[0][0])) if rows else None
