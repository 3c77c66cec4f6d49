"""What happened in one trajectory: its calls by match kind, its misses by cause, and its answer."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JSON, JsonObject, dumps, text
from firefly_mcp.reward import answer_in
from firefly_mcp.types import MatchKind
from firefly_train.reward import ANSWER_FIELD, SUBMITTED_FIELD, WORST_FIELD

LOG_VARIABLE = "FIREFLY_TRAIN_ROLLOUTS"
"""Environment variable: the file to which finished trajectories are appended."""
REFUSED = ("invalid_arguments", "unknown_tool")
"""Causes in which the caller was wrong, rather than the recording short."""

_ORDER = [*MatchKind]
"""From the exact match to the miss."""


def _rank(kind: str) -> int:
    known = [item.value for item in _ORDER]
    return known.index(kind) if kind in known else -1


@dataclass
class Trajectory:
    """One rollout of one task; ``session`` names its replay session."""

    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    kinds: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    """Calls that never reached replay: an unknown tool, or arguments that are not JSON."""
    failures: list[str] = field(default_factory=list)
    """Infrastructure errors; any of them makes the run's figures worthless."""
    answer: JSON = None
    submitted: bool = False
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each call was waited for, in seconds since the epoch: trajectories wait at the same time, so sums would mislead."""
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    """Of each call a digest of it and all calls before it, and a digest of its answer: runs can be compared by them."""
    _begun: float = field(default_factory=time.monotonic)

    @property
    def calls(self) -> int:
        """How many calls replay answered, misses included."""
        return self.kinds.total()

    @property
    def worst(self) -> str | None:
        """The match kind that is furthest from the recording; None without a call."""
        return max(self.kinds, key=_rank, default=None)

    def note(self, meta: JsonObject) -> None:
        """Count one answered call by the provenance in its ``_meta``."""
        kind = str(meta.get("firefly/match", MatchKind.LIVE))
        self.kinds[kind] += 1
        if kind == MatchKind.MISS:
            self.misses[str(meta.get("firefly/cause", "unknown"))] += 1

    def exchange(self, name: str, arguments: JSON, answer: str) -> None:
        """Keep what was called and answered, as digests."""
        before = self.exchanges[-1][0] if self.exchanges else ""
        called = hash_json([before, name, arguments]).split(":")[1][:12]
        self.exchanges.append((called, hash_json(answer).split(":")[1][:12]))

    def submit(self, answer: JSON) -> None:
        """Take the answer; the first one counts."""
        if not self.submitted:
            self.submitted, self.answer = True, answer

    def conclude(self, final: str) -> None:
        """End with this final message: where nothing was submitted, its last JSON object is the answer."""
        if not self.submitted:
            self.answer = answer_in(final)

    def extra_fields(self) -> dict[str, Any]:
        """Plain values for verl's extra fields, the same keys for every trajectory."""
        return {
            ANSWER_FIELD: text(self.answer),
            SUBMITTED_FIELD: self.submitted,
            "firefly_calls": self.calls,
            "firefly_misses": self.kinds[MatchKind.MISS],
            "firefly_failures": len(self.failures),
            WORST_FIELD: self.worst or "",
        }

    def line(self, *, step: int, task_id: str, split: str, score: float, tokens: int, turns: int) -> JsonObject:
        """The trajectory as a line of ``rollouts.jsonl``."""
        return {
            "step": step,
            "split": split,
            "task": task_id,
            "session": self.session,
            "reward": score,
            "submitted": self.submitted,
            "answer": self.answer,
            "turns": turns,
            "tokens": tokens,
            "calls": self.calls,
            "by_match": dict(self.kinds),
            "misses": dict(self.misses),
            "refused": self.refused,
            "failures": self.failures,
            "exchanges": self.exchanges,
            "tool_seconds": round(sum(end - begin for begin, end in self.waits), 4),
            "waits": [[round(begin, 3), round(end, 3)] for begin, end in self.waits],
            "seconds": round(time.monotonic() - self._begun, 4),
        }


def append_line(line: JsonObject, path: str | None = None) -> None:
    """Append to the run's ``rollouts.jsonl``; several workers may, each line in one write. Without a file: nothing."""
    path = path or os.environ.get(LOG_VARIABLE)
    if path:
        handle = os.open(Path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, dumps(line) + b"\n")
        finally:
            os.close(handle)
