"""What an exploration may do: how much, of what, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firefly_agents.sandboxes import Seeds
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules

OFFLINE = "offline"

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Budget:
    """Limits of one session.

    Attributes:
        calls: the most tool calls.
        seconds: the longest time from the first call on.
        start_seconds: how long servers may take to start.
    """

    calls: int = 30
    seconds: float = 90.0
    start_seconds: float = 180.0


@dataclass(frozen=True)
class ExploreSettings:
    """The settings of one exploration; the same for ``firefly explore`` and ``firefly run``.

    Attributes:
        episodes: how many in all, tours included.
        seed: of all choices.
        model: ``offline``, or the name of a model at ``OPENAI_BASE_URL``.
        guidance: how the offline model chooses: ``guided``, or ``random`` or ``round-robin`` to compare with.
        concurrency: sessions held at once.
        per_server: sessions held at once with one server.
        live: idle server processes are ended where more than so many live.
        rate: the most calls a second that one server at a URL or process gets, over all sessions; None for no limit.
        walk_calls: the most calls of a walk; long ones save starts of servers, short ones make tasks with little history.
        tour_rounds: how often tools without a successful call are tried anew before walks begin.
        budget: limits of each session.
        max_calls: begin no more episodes once so many calls were made.
        max_seconds: begin no more episodes, second observations or probes after so long.
        max_tokens: begin no more episodes once a named model used so many tokens.
        seeds: where seed files lie.
        offline: cut the servers' network where the system can.
        allow_destructive: offer tools with ``destructiveHint`` of servers that cannot be sandboxed.
        confirming: observe every useful session a second time.
        probing: the most sessions repeated to settle effects.
        redaction: what the user wants left out of the recording beside credentials.
        price: US dollars for a million tokens, in and out, for the cost of a named model; None where it is not told.
    """

    episodes: int = 100
    seed: int = 0
    model: str = OFFLINE
    guidance: str = "guided"
    concurrency: int = 3
    per_server: int = 3
    live: int = 16
    rate: float | None = None
    walk_calls: int = 8
    tour_rounds: int = 6
    budget: Budget = field(default_factory=Budget)
    max_calls: int | None = None
    max_seconds: float | None = None
    max_tokens: int | None = None
    seeds: Seeds = field(default_factory=lambda: Seeds(Path()))
    offline: bool = False
    allow_destructive: bool = False
    confirming: bool = True
    probing: int = 30
    redaction: RedactionRules = NO_RULES
    price: tuple[float, float] | None = None
