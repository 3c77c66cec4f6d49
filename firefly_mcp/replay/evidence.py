"""What the replay index is about, and what it rests on: sessions, connections and tools of a recording, and their hashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.tools import ToolMatching
from firefly_mcp.replay.rules import ReplayRules
from firefly_mcp.state.history import origin_key
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Connection, Session, ToolKey

_HASH_BYTES = 16

Place = tuple[int, str]
"""One session on one server."""


@dataclass
class Evidence:
    """What the index is about, and what it rests on."""

    recording: Recording
    rules: ReplayRules | None = None
    tools: dict[ToolKey, Any] = field(init=False)
    sessions: dict[int, Session] = field(init=False)
    connections: dict[Place, Connection] = field(init=False)

    def __post_init__(self) -> None:
        """Read the small tables."""
        self.tools = queries.tool_map(self.recording)
        self.sessions = {session.id: session for session in queries.sessions(self.recording, evidence_only=True)}
        self.connections = {
            (link.session, link.server): link for link in queries.connections(self.recording) if link.session in self.sessions
        }
        self.hashes = ToolMatching(self.recording, self.tools, self.rules.tool if self.rules else None)
        self._named = {str(number): number for number in self.sessions}
        self._named.update((session.key, session.id) for session in self.sessions.values())

    def origin(self, place: Place) -> str:
        """The origin of a session's state on a server, as it enters state keys."""
        link = self.connections.get(place)
        return origin_key(link.origin if link else "unknown", self.sessions[place[0]].key)

    def continued(self, place: Place) -> Place | None:
        """The earlier session on the same server whose state this one continues."""
        link = self.connections.get(place)
        if link is None or not link.origin.startswith("continues("):
            return None
        earlier = self._named.get(link.origin[len("continues(") : -1])
        return None if earlier in (None, place[0]) else (earlier, place[1])


def packed(digest: str) -> bytes:
    """A hash as the index keeps it."""
    return bytes.fromhex(digest[-2 * _HASH_BYTES :])


def arguments_of(params: JsonObject) -> JsonObject:
    """The arguments of a call's parameters."""
    arguments = params.get("arguments")
    return arguments if isinstance(arguments, dict) else {}
