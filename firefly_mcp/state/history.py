"""State keys: what a call's answer may depend on, folded into one hash, independent of the order of calls that commute.

A call's *context* is the closed set of earlier calls of its session and server that may affect it. Each writing call gets a
*past hash*: of its canonical call, the outcome it was given, and the past hashes of the earlier calls whose order to it may
matter. The state key of a call is the hash of its origin and the past hashes of the calls that may affect it directly; what
those depend on is already inside their own hashes, so the context is closed without being collected. Two sessions have the
same key exactly when their dependence graphs (Mazurkiewicz traces) over the context are the same.

Past hashes are kept as one sum for each writing tool (addition modulo 2**128: the order does not matter, repetition does), so
that a key costs as much after a hundred thousand calls as after ten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.types import ToolKey

UNKNOWN_ORIGIN = "unknown"
_MODULUS = 1 << 128


def origin_key(origin: str, session_key: str) -> str:
    """The origin as it enters state keys: an unknown one is shared with no other session."""
    return f"session({session_key})" if origin == UNKNOWN_ORIGIN else origin


class Writer(NamedTuple):
    """An earlier call that may affect later ones."""

    key: ToolKey
    past: str
    label: str


class History:
    """One session's history on one server (or on servers with declared effects between them), as far as state is concerned."""

    def __init__(self, relation: EffectRelation, origin: str, writers: Sequence[Writer] = ()) -> None:
        """Begin at ``origin`` (see :func:`origin_key`), with the writers of a session that this one continues."""
        self.relation = relation
        self.origin = origin
        self.writers: list[Writer] = []
        self._sums: dict[ToolKey, int] = {}
        self._empty: str = hash_bytes(origin.encode())
        for writer in writers:
            self._add(writer)

    def context(self, key: ToolKey) -> list[Writer]:
        """The earlier calls that may affect a call of ``key`` directly."""
        return [writer for writer in self.writers if self.relation.may_affect(writer.key, key)]

    def state_key(self, key: ToolKey) -> str:
        """The state in which a call of ``key`` would be answered now; empty when nothing may affect it."""
        if not self.relation.reads_state(key):
            return ""
        if not self._sums:
            return self._empty
        return self._folded(self.origin, (writer for writer in self._sums if self.relation.may_affect(writer, key)))

    def append(self, key: ToolKey, args_hash: str, result_hash: str | None, *, rejected: bool = False, label: str = "") -> None:
        """Take in a call that was made.

        One that the server rejected for its arguments, or that writes nothing, is left out.

        Args:
            key: the tool, or the method in its place.
            args_hash: its canonical hash.
            result_hash: what it was given (a hash of the result, or the text of a JSON-RPC error); None if it had no answer.
            rejected: whether the server refused the arguments.
            label: what a miss calls it.
        """
        if rejected or not self.relation.writes(key):
            return
        before = self._folded("", (writer for writer in self._sums if self.relation.in_order(writer, key)))
        past = hash_bytes("\n".join((str(key), args_hash, result_hash or "interrupted", before)).encode())
        self._add(Writer(key, past, label or str(key)))

    def _add(self, writer: Writer) -> None:
        self.writers.append(writer)
        number = int.from_bytes(hashlib.blake2b(writer.past.encode(), digest_size=16).digest())
        self._sums[writer.key] = (self._sums.get(writer.key, 0) + number) % _MODULUS

    def _folded(self, head: str, writers: Iterable[ToolKey]) -> str:
        parts = sorted(f"{writer}\t{self._sums[writer]:x}" for writer in writers)
        return hash_bytes("\n".join((head, *parts)).encode())
