"""State keys: what a call's answer may depend on, folded into one hash, independent of the order of calls that commute.

A call's *context* is the closed set of earlier calls of its session and server that may affect it. Each writing call gets a
*past hash*: of its canonical call, the outcome it was given, and the past hashes of the earlier calls whose order to it may
matter. The state key of a call is the hash of its origin and the past hashes of the calls that may affect it directly; what
those depend on is already inside their own hashes, so the context is closed without being collected. Two sessions have the
same key exactly when their dependence graphs (Mazurkiewicz traces) over the context are the same.

Past hashes are folded as a multiset: 256-bit hashes of them are added up (AdHash: Bellare and Micciancio, EUROCRYPT 1997), so
that a call costs the same after ten writes as after a hundred thousand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.jsonio import JsonObject
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


def outcome_of(result_hash: str | None, error: JsonObject | None) -> str | None:
    """What a call was given, as it enters past hashes: a hash of its result or JSON-RPC error; None if it had no answer."""
    if result_hash is not None:
        return result_hash
    return None if error is None else f"error:{hash_json(error)}"


class Writer(NamedTuple):
    """An earlier call that may affect later ones."""

    key: ToolKey
    past: str
    label: str


class History:
    """One session's history on one server (or on servers with declared effects between them), as far as state is concerned."""

    def __init__(
        self,
        relation: EffectRelation,
        origin: str,
        writers: Sequence[Writer] = (),
        totals: Mapping[ToolKey, int] | None = None,
        *,
        remember: bool = True,
    ) -> None:
        """Begin.

        Args:
            relation: what may affect what.
            origin: where the state began, see :func:`origin_key`.
            writers: those of a session that this one continues.
            totals: their past hashes, added up by tool; reckoned from ``writers`` when None.
            remember: keep the writers themselves, to name them; state keys need the totals only.
        """
        self.relation = relation
        self.origin = origin
        self.writers: list[Writer] = list(writers)
        self.totals: dict[ToolKey, int] = dict(totals or {})
        if totals is None:
            self._add_up()
        self._remember = remember
        self._sums: dict[frozenset[ToolKey], int] = {}
        """For each set of tools asked of so far: the past hashes of their calls, added up."""

    def context(self, key: ToolKey) -> list[Writer]:
        """The earlier calls that may affect a call of ``key`` directly, of those that are remembered."""
        return [writer for writer in self.writers if self.relation.may_affect(writer.key, key)]

    def state_key(self, key: ToolKey) -> str:
        """The state in which a call of ``key`` would be answered now; empty when nothing may affect it."""
        if not self.relation.reads_state(key):
            return ""
        return hash_bytes(f"{self.origin}\n{self._sum(self.relation.affecting(key)):x}".encode())

    def append(self, key: ToolKey, args_hash: str, outcome: str | None, *, rejected: bool = False, label: str = "") -> None:
        """Take in a call that was made.

        One that the server rejected for its arguments, or that writes nothing, is left out.

        Args:
            key: the tool, or the method in its place.
            args_hash: its canonical hash.
            outcome: what it was given, see :func:`outcome_of`.
            rejected: whether the server refused the arguments.
            label: what a miss calls it.
        """
        if rejected or not self.relation.writes(key):
            return
        before = self._sum(self.relation.ordered_with(key))
        past = hash_bytes("\n".join((str(key), args_hash, outcome or "interrupted", f"{before:x}")).encode())
        own = _number(past)
        self.totals[key] = (self.totals.get(key, 0) + own) % _MODULUS
        everywhere = key not in self.relation.tools
        for tools in self._sums:
            if everywhere or key in tools:
                self._sums[tools] = (self._sums[tools] + own) % _MODULUS
        if self._remember:
            self.writers.append(Writer(key, past, label or str(key)))

    def take_back(self, count: int) -> None:
        """Forget all but the first ``count`` calls that may affect others; all of them must have been remembered."""
        if len(self.writers) > count:
            del self.writers[count:]
            self.totals.clear()
            self._add_up()
            self._sums.clear()

    def _add_up(self) -> None:
        for writer in self.writers:
            self.totals[writer.key] = (self.totals.get(writer.key, 0) + _number(writer.past)) % _MODULUS

    def _sum(self, tools: frozenset[ToolKey]) -> int:
        """The pasts of all calls of these tools, and of tools that nobody has listed, added up."""
        found = self._sums.get(tools)
        if found is None:
            listed = self.relation.tools
            found = sum(total for key, total in self.totals.items() if key in tools or key not in listed) % _MODULUS
            self._sums[tools] = found
        return found


_MODULUS = 1 << 256


def _number(past: str) -> int:
    return int.from_bytes(hashlib.blake2b(past.encode(), digest_size=32).digest())
