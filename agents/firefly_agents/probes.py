"""Probes: the few calls that settle whether one tool changes what another answers.

Two forms. *Around*: the reads, the writer, the same reads again (X, W, X). *Without*: a session repeated without one of its
writers. What they show is learnt by :mod:`firefly_mcp.state.learn`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.observe import is_success
from firefly_mcp.servers.names import slug
from firefly_mcp.state.effects import EffectRelation, Pair
from firefly_mcp.types import Call, Session, ToolKey

_SETTLED = frozenset({"declared", "observed", "equality"})
_EQUALITIES = 3
"""Distinct calls of a writer around which a reader must answer alike before that counts."""
_READS = 6
"""Reads of one probe at most."""


@dataclass(frozen=True)
class Probe:
    """Calls to make in a fresh sandbox.

    Attributes:
        session: the session that they are taken from.
        writer: the tool whose effect they show.
        form: ``around`` or ``without``.
        calls: in order; those before the writer are the session's own.
        dropped: the places in the session that were left out.
    """

    session: Session
    writer: ToolKey
    form: str
    calls: tuple[Call, ...]
    dropped: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The name of the probe's session."""
        return f"{self.session.key}-{self.form}-{slug(self.writer.tool)}"

    def labels(self) -> dict[str, Any]:
        """What is kept with it."""
        told: dict[str, Any] = {"writer": str(self.writer), "form": self.form}
        if self.form == "without":
            return {**told, "of": self.session.key, "without": list(self.dropped)}
        return {**told, "around": self.session.key}


def probes(sessions: Iterable[tuple[Session, Sequence[Call]]], relation: EffectRelation, *, limit: int) -> list[Probe]:
    """The probes worth making, those that can settle the most pairs first; ``limit`` at most.

    Pairs that an observation has settled already are left out; each of the others is tried around at most three different calls
    of its writer, and without it once.
    """
    tried: Counter[tuple[Pair, str]] = Counter()
    values: dict[Pair, set[str]] = defaultdict(set)
    chosen: list[tuple[int, Probe]] = []
    for session, calls in sessions:
        for writer in dict.fromkeys(call.key for call in calls if is_success(call) and relation.writes(call.key)):
            at = next(index for index, call in enumerate(calls) if call.key == writer and is_success(call))
            open_reads = _open_reads(calls, at, relation)
            around = [read for read in open_reads if _fresh((writer, read.key), calls[at], tried, values)][:_READS]
            if around:
                own = [call for call in calls[:at] if call.server == writer.server]
                chosen.append((len(around), Probe(session, writer, "around", (*own, *around, calls[at], *around))))
                for read in around:
                    tried[(writer, read.key), "around"] += 1
                    values[writer, read.key].add(calls[at].args_hash)
            without = [read for read in open_reads if not tried[(writer, read.key), "without"]]
            if without:
                kept = tuple(call for call in calls if call.server == writer.server and call.key != writer)
                dropped = tuple(call.seq for call in calls if call.key == writer)
                chosen.append((len(without), Probe(session, writer, "without", kept, dropped)))
                for read in without:
                    tried[(writer, read.key), "without"] += 1
    return [probe for _, probe in sorted(chosen, key=lambda item: -item[0])[:limit]]


def _open_reads(calls: Sequence[Call], at: int, relation: EffectRelation) -> list[Call]:
    """The later successful calls that the one at ``at`` is only supposed to affect, one for each tool."""
    writer = calls[at].key
    found: dict[ToolKey, Call] = {}
    for call in calls[at + 1 :]:
        if call.server != writer.server or call.key == writer or call.key in found or not is_success(call):
            continue
        effect = relation.effect(writer, call.key)
        if effect.affects and effect.source not in _SETTLED:
            found[call.key] = call
    return list(found.values())


def _fresh(pair: Pair, write: Call, tried: Counter[tuple[Pair, str]], values: dict[Pair, set[str]]) -> bool:
    return tried[pair, "around"] < _EQUALITIES and write.args_hash not in values[pair]


def share_settled(relation: EffectRelation) -> tuple[int, int]:
    """How many pairs of tools there are of which one is said or seen to affect the other, and how many of them are settled."""
    sources = [effect.source for _, _, effect in relation.pairs()]
    return len(sources), sum(source in _SETTLED for source in sources)
