"""Faults laid over replayed answers on purpose, by the user's rules and a seed: what a client does when a server fails.

Whether a call meets a fault depends on the seed, the rule, the call, and how often this session made that call before; on
nothing else. The same session history under the same seed meets the same faults, however many sessions run beside it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from firefly_mcp.types import ToolKey

INTERNAL_ERROR = -32603


class FaultKind(StrEnum):
    """What happens to a call."""

    TOOL_ERROR = "tool_error"
    ERROR = "error"
    DELAY = "delay"
    DROP = "drop"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"


INSTEAD = frozenset({FaultKind.TOOL_ERROR, FaultKind.ERROR})
"""Faults that stand in place of the call: it never reached the server. The others spoil or hold up its answer."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One ``[[faults]]`` table.

    Attributes:
        kind: what happens.
        tool: a pattern for ``server/tool``.
        method: a pattern for the method of the request; ``tool`` counts for ``tools/call`` only.
        probability: of a call that the rule is for; None when ``every`` is given.
        every: each nth call of a session that the rule is for.
        message: of an error.
        code: of a JSON-RPC error.
        delay_ms: of a delay.
    """

    kind: FaultKind
    tool: str = "*"
    method: str = "tools/call"
    probability: float | None = None
    every: int | None = None
    message: str = ""
    code: int = INTERNAL_ERROR
    delay_ms: float = 0.0

    def covers(self, key: ToolKey, method: str) -> bool:
        """Whether the rule is for this request."""
        return fnmatchcase(method, self.method) and (method != "tools/call" or fnmatchcase(str(key), self.tool))


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a call meets. ``noise`` is a seed for what garbage looks like."""

    rule: FaultRule
    noise: int

    @property
    def kind(self) -> FaultKind:
        """What happens."""
        return self.rule.kind


class FaultPlan:
    """One session's faults."""

    def __init__(self, rules: Sequence[FaultRule], seed: int) -> None:
        """Begin a session that has made no call."""
        self._rules = rules
        self._seed = seed
        self._made: Counter[str] = Counter()
        self._covered: Counter[int] = Counter()

    def next(self, key: ToolKey, method: str, args_hash: str) -> Fault | None:
        """The fault that the session's next call meets; of several rules that strike, the first of the file.

        Args:
            key: the tool; for other requests server and method.
            method: of the request.
            args_hash: the canonical hash of the request.
        """
        call = f"{key}\n{method}\n{args_hash}"
        self._made[call] += 1
        found: Fault | None = None
        for number, rule in enumerate(self._rules):
            if not rule.covers(key, method):
                continue
            self._covered[number] += 1  # counted even where an earlier rule strikes: rules do not move each other
            drawn = _draw(self._seed, number, call, self._made[call])
            if rule.every is not None:
                strikes = self._covered[number] % rule.every == 0
            else:
                strikes = drawn / 2**64 < (rule.probability or 0.0)
            if strikes and found is None:
                found = Fault(rule, drawn)
        return found


def _draw(*parts: object) -> int:
    data = "\n".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())
