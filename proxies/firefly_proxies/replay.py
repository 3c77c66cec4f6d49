"""The replay proxy: conversations answered from a recording, with the servers gone, over either front and in both eras.

What a server said of itself (``initialize``), its lists, its answers and what it told or asked in between come from the
recording; which answer, and whether there is one, is decided by :mod:`firefly_mcp.replay`. Replayed calls are logged as a
session of kind ``replay``.
"""

from __future__ import annotations

from collections.abc import Sequence

from firefly_mcp import __version__
from firefly_mcp.embed.hashing import HashingEmbedder
from firefly_mcp.embed.protocol import Embedder
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.forms import RequestForms
from firefly_mcp.replay.rules import NO_REPLAY_RULES, ReplayRules
from firefly_mcp.replay.semantic import SemanticNeighbours
from firefly_mcp.replay.start import start_of
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.replay_conversation import ReplayConversation, Wrap
from firefly_proxies.replay_log import ReplayLog


class ReplayFactory:
    """Opens replayed conversations over one recording."""

    def __init__(
        self,
        recording: Recording,
        policy: ReplayPolicy | None = None,
        *,
        servers: Sequence[str] = (),
        log: bool = True,
        redaction: RedactionRules = NO_RULES,
        rules: ReplayRules = NO_REPLAY_RULES,
        wraps: Sequence[Wrap] = (),
        embedder: Embedder | None = None,
    ) -> None:
        """Index the recording.

        Args:
            recording: open; it is also where replayed calls are logged.
            policy: the rung, state and start; the default answers exact and normalized in the same state.
            servers: narrow to these; all when empty.
            log: keep replayed calls in the recording.
            redaction: rules for requests, beside those that the recorded sessions keep.
            rules: the user's, per tool.
            embedder: ranks free text where the policy allows the ``semantic`` rung; the built-in one when None.
            wraps: steps around the look-up of calls (what to do on a miss, how fast to answer), the innermost first.

        Raises:
            ConfigError: stored redaction rules are malformed; or a rule is for a tool that the recording does not have.
            StoreError: the recording holds nothing to replay.
            UsageError: a server, or the policy's start, is not in the recording.
        """
        known = queries.servers(recording)
        missing = [name for name in servers if name not in known]
        if missing:
            raise StoreError(
                f"{recording.path}: no server {missing[0]!r} in the recording; it has: {', '.join(known) or 'none'}"
            )
        self.recording = recording
        self.policy = policy or ReplayPolicy()
        index = ReplayIndex(recording, servers, rules=rules)
        rules.check(index.tools, str(recording.path))
        if index.empty:
            raise StoreError(f"{recording.path}: nothing to replay: the recording has no answered call; record some first")
        neighbours = None
        if self.policy.allows(MatchKind.SEMANTIC):
            neighbours = SemanticNeighbours(recording, index, embedder or HashingEmbedder())
        self.replay = Replay(recording, self.policy, index, neighbours)
        self.servers = [name for name in known if not servers or name in servers]
        self.single = len(self.servers) == 1
        for name in self.servers:
            start_of(index, name, self.policy.start)  # an unknown --start is refused now, not at the first call
        self.names = ExposedNames(index.tools, single=self.single)
        self.forms = RequestForms(recording, redaction)
        self.log = ReplayLog(recording) if log else None
        self.wraps = tuple(wraps)

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """Begin a session with a state of its own."""
        return ReplayConversation(self, opening, emit)

    async def close(self) -> None:
        """Write what is still waiting to be logged."""
        for wrap in self.wraps:
            await wrap.close()
        if self.log is not None:
            self.log.flush()

    def introduction(self) -> JsonObject:
        """The recorded result of ``initialize`` (or ``server/discover``); for several servers, the union of capabilities."""
        links = [link for link in queries.connections(self.recording) if link.server in self.servers and link.initialize]
        if self.single and links:
            return links[-1].initialize
        capabilities: JsonObject = {"tools": {}}
        for link in links:
            capabilities.update(link.initialize.get("capabilities") or {})
        return {"capabilities": capabilities, "serverInfo": {"name": "firefly-replay", "version": __version__}}

    def tool_definitions(self) -> list[JsonObject]:
        """The latest recorded definition of each tool, under its exposed name."""
        return [{**tool.definition, "name": self.names.exposed(key)} for key, tool in self.replay.index.tools.items()]
