"""Which tools make something up each time they are called: an id, a time. Of what follows them nothing can be proven twice."""

from __future__ import annotations

from collections import defaultdict

from firefly_mcp.observe import is_success
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, SessionKind, ToolKey

_SHARE = 0.5


def unsteady(recording: Recording) -> frozenset[ToolKey]:
    """The tools whose calls, repeated in a fresh sandbox, mostly gave another answer although all before them agreed."""
    counts: dict[ToolKey, list[int]] = defaultdict(lambda: [0, 0])
    sessions = {session.key: session.id for session in queries.sessions(recording, kind=SessionKind.EXPLORE)}
    for again in queries.sessions(recording, kind=SessionKind.CONFIRM):
        first = sessions.get(str(again.labels.get("of")))
        if first is None:
            continue
        parted: set[str] = set()
        for one, other in zip(_calls(recording, first), _calls(recording, again.id), strict=False):
            if one.server in parted or not is_success(one):
                continue
            same = one.result_hash == other.result_hash
            counts[one.key][same] += 1
            if not same:
                parted.add(one.server)
    return frozenset(key for key, (other, same) in counts.items() if other > _SHARE * (other + same))


def _calls(recording: Recording, session: int) -> list[Call]:
    return list(queries.calls(recording, session=session, method="tools/call"))
