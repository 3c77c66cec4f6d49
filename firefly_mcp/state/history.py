"""State keys: what a call's answer may depend on, folded into one hash, independent of the order of calls that commute.

A call's *context* is the closed set of earlier calls of its session and server that may affect it. Each writing call gets a
*past hash*: of its canonical call, the result it was given, and the past hashes of the earlier calls that may affect it.
The state key of a call is the hash of its origin and the past hashes of the calls that may affect it directly; what those
depend on is already inside their own hashes, so the context is closed without being collected. Two sessions have the same
key exactly when their dependence graphs (Mazurkiewicz traces) over the context are the same.

Past hashes are folded as a multiset: 256-bit hashes of them are added up (AdHash: Bellare and Micciancio, EUROCRYPT 1997), so
that a call costs the same after ten writes as after a hundred thousand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.types import ToolKey

UNKNOWN_ORIGIN = "unknown"


def origin_key(origin: str, session_key: str) -> str:
    """The origin as it enters state keys: an unknown one is shared with no other session.

    ``live(X)`` is that of a session with a real server which was brought to where replayed sessions that began at X were.
    """
    if origin.startswith("live("):
        return origin[len("live(") : -1]
    return f"session({session_key})" if origin == UNKNOWN_ORIGIN else origin


class Writer(NamedTuple):
    """An earlier call that may affect later ones."""

    key: ToolKey
    past: str
    label: str


class History:
    """One session's history on one server, as far as state is concerned."""

    def __init__(self, relation: EffectRelation, origin: str, writers: Sequence[Writer] = ()) -> None:
        """Begin at ``origin`` (see :func:`origin_key`), with the writers of a session that this one continues."""
        self.relation = relation
        self.origin = origin
        self.writers: list[Writer] = list(writers)
        self._sums: dict[ToolKey, int] = {}
        """For each tool asked of so far: the sum over the writers that may affect it."""

    def context(self, key: ToolKey) -> list[Writer]:
        """The earlier calls that may affect a call of ``key`` directly."""
        return [writer for writer in self.writers if self.relation.may_affect(writer.key, key)]

    def state_key(self, key: ToolKey) -> str:
        """The state in which a call of ``key`` would be answered now; empty when nothing may affect it."""
        if not self.relation.reads_state(key):
            return ""
        return hash_bytes(f"{self.origin}\n{self._sum(key):x}".encode())

    def append(self, key: ToolKey, args_hash: str, result_hash: str | None, *, rejected: bool = False, label: str = "") -> None:
        """Take in a call that was made; one that the server rejected for its arguments, or that writes nothing, is left out."""
        if rejected or not self.relation.writes(key):
            return
        past = hash_bytes("\n".join((str(key), args_hash, result_hash or "interrupted", f"{self._sum(key):x}")).encode())
        own = _number(past)
        for reader in self._sums:
            if self.relation.may_affect(key, reader):
                self._sums[reader] = (self._sums[reader] + own) % _MODULUS
        self.writers.append(Writer(key, past, label or str(key)))

    def take_back(self, count: int) -> None:
        """Forget all but the first ``count`` calls that may affect others."""
        if len(self.writers) > count:
            del self.writers[count:]
            self._sums.clear()

    def _sum(self, key: ToolKey) -> int:
        known = self._sums.get(key)
        if known is None:
            known = self._sums[key] = sum(_number(writer.past) for writer in self.context(key)) % _MODULUS
        return known


_MODULUS = 1 << 256


def _number(past: str) -> int:
    return int.from_bytes(hashlib.blake2b(past.encode(), digest_size=32).digest())
