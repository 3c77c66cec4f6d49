"""What an exploration did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from firefly_agents.confirm import session_calls
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import flows, is_success
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Session

_COUNTED = ("episodes", "skipped", "confirmed", "proven", "probes", "effect_pairs", "effect_pairs_settled", "starts")


@dataclass
class ExploreReport:
    """What an exploration did; ``failed`` counts sessions by the boundary at which they failed."""

    servers: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    episodes: int = 0
    skipped: int = 0
    sessions: int = 0
    calls: int = 0
    succeeded: int = 0
    tools: int = 0
    tools_succeeded: int = 0
    flows: int = 0
    edges_fed: int = 0
    confirmed: int = 0
    proven: int = 0
    probes: int = 0
    effect_pairs: int = 0
    effect_pairs_settled: int = 0
    usage: JsonObject = field(default_factory=dict)
    starts: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> JsonObject:
        """The report as ``firefly explore --json`` prints it."""
        return dict(vars(self))


def tell(
    recording: Recording,
    sessions: Sequence[Session],
    *,
    servers: list[str],
    left_out: dict[str, str],
    counts: Counter[str],
    failed: Counter[str],
    seconds: float,
    price: tuple[float, float] | None = None,
) -> ExploreReport:
    """Count what the exploring sessions hold.

    Args:
        recording: holds them.
        sessions: the exploring sessions.
        servers: the servers that took part.
        left_out: those that did not start, with the reason.
        counts: ``episodes``, ``skipped``, ``confirmed``, ``proven``, ``probes`` and ``starts`` of this run.
        failed: sessions that failed, by boundary.
        seconds: how long it took.
        price: US dollars for a million tokens, in and out.
    """
    usage: JsonObject = {name: counts[f"tokens_{name}"] for name in ("requests", "input", "output") if counts[f"tokens_{name}"]}
    if usage and price is not None:
        usage["cost"] = round((usage.get("input", 0) * price[0] + usage.get("output", 0) * price[1]) / 1e6, 6)
    calls = [call for session in sessions for call in session_calls(recording, session)]
    good = [call for call in calls if is_success(call)]
    found = flows(calls)
    keys = {call.id: call.key for call in calls}
    return ExploreReport(
        servers=servers,
        left_out=left_out,
        sessions=len(sessions),
        calls=len(calls),
        succeeded=len(good),
        tools=len(queries.tool_map(recording)),
        tools_succeeded=len({call.key for call in good}),
        flows=len(found),
        edges_fed=len({(keys[flow.source], keys[flow.target], flow.argument) for flow in found}),
        failed=dict(failed),
        seconds=round(seconds, 1),
        usage=usage,
        **{name: counts[name] for name in _COUNTED},
    )
