"""Where a replayed session begins on a server: an origin, chosen by the user or because there is only one.

A read of state whose origin nobody can name is never answered from another session; it misses, and the miss says so.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

from firefly_mcp.errors import UsageError
from firefly_mcp.replay.index import End, ReplayIndex

AMBIGUOUS = "undecided"
"""The origin of a replayed session when several recorded beginnings are possible and none was chosen."""


def start_of(index: ReplayIndex, server: str, start: str | None) -> End:
    """The beginning of a replayed session on ``server``.

    Args:
        index: the recording.
        server: the server.
        start: ``--start``: a session's id or key, or an origin such as ``proven(…)``; None to choose.

    Raises:
        UsageError: ``start`` names nothing that is in the recording.
    """
    if start is not None:
        return _named(index, server, start)
    places = [(session, server) for session in index.places(server)]
    links = [index.connections[place] for place in places if place in index.connections]
    proven = {link.origin for link in links if link.origin.startswith("proven(")}
    if len(proven) == 1:
        return End(proven.pop(), ())
    if not proven:
        roots = {index.origin_of(*place) for place in places}
        if len(roots) == 1:
            return End(roots.pop(), ())
        if not roots:
            return End("empty", ())
    return End(AMBIGUOUS, ())


def _named(index: ReplayIndex, server: str, start: str) -> End:
    # Keys first: one session may be called what is the number of another.
    for said in (operator.attrgetter("key"), lambda session: str(session.id)):
        for session in index.sessions.values():
            if said(session) == start:
                return _beginning(index, session.id, server)
    for place in index.connections:
        if place[1] == server and index.connections[place].origin == start:
            return End(start, ())
    if any(link.origin == start for link in index.connections.values()):
        return End(AMBIGUOUS, ())  # an origin of another server of the same recording
    raise UsageError(f"--start {start}: the recording has no such session or origin; it has: {_known(index)}")


def _beginning(index: ReplayIndex, session: int, server: str) -> End:
    """The state in which a recorded session began: its own origin, or the end of the one that it continues."""
    link = index.connections.get((session, server))
    if link is not None and link.origin.startswith("continues("):
        earlier = link.origin[len("continues(") : -1]
        for other in index.sessions.values():
            if earlier in (other.key, str(other.id)) and (end := index.end(other.id, server)) is not None:
                return end
    return End(index.origin_of(session, server), ())


def _known(index: ReplayIndex) -> str:
    origins: Sequence[str] = sorted({link.origin for link in index.connections.values()} - {"unknown"})
    sessions = [str(session.id) for session in index.sessions.values() if session.calls]
    shown = [f"sessions {', '.join(sessions[:12])}{' …' if len(sessions) > 12 else ''}"] if sessions else []
    return "; ".join([*shown, *origins[:6]]) or "nothing"
