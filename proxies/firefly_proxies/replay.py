"""The replay proxy: conversations answered from a recording, with the servers gone, over either front and in both eras.

What a server said of itself (``initialize``), its lists, its answers and what it told or asked in between come from the
recording; which answer, and whether there is one, is decided by :mod:`firefly_mcp.replay`. Replayed calls are logged as a
session of kind ``replay``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.forms import RequestForms
from firefly_mcp.replay.rules import NO_REPLAY_RULES, ReplayRules
from firefly_mcp.replay.start import start_of
from firefly_mcp.servers.names import ExposedNames, joined
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind, ToolKey
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.replay_at_once import RecordedResults
from firefly_proxies.replay_conversation import ReplayConversation, Wrap
from firefly_proxies.replay_events import RecordedEvents
from firefly_proxies.replay_lists import RecordedLists
from firefly_proxies.replay_log import ReplayLog
from firefly_proxies.replay_servers import ReplayedServers
from firefly_proxies.replay_stateless import EitherEra, Named, StatelessReplays

if TYPE_CHECKING:
    from firefly_mcp.embed.protocol import Embedder


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
        index: ReplayIndex | None = None,
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
            index: of this recording, if it is open already: the whole recording, with no rules.
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
        index = index or ReplayIndex(recording, servers, rules=rules)
        rules.check(index.tools, str(recording.path))
        if index.empty:
            raise StoreError(f"{recording.path}: nothing to replay: the recording has no answered call; record some first")
        index.keep_at_hand()
        neighbours = None
        if self.policy.allows(MatchKind.SEMANTIC):
            from firefly_mcp.embed.hashing import HashingEmbedder  # slow to load: numpy
            from firefly_mcp.replay.semantic import SemanticNeighbours

            neighbours = SemanticNeighbours(recording, index, embedder or HashingEmbedder())
        self.replay = Replay(recording, self.policy, index, neighbours)
        chosen = [name for name in known if not servers or name in servers]
        for name in chosen:
            start_of(index, name, self.policy.start)  # an unknown --start is refused now, not at the first call
        self.start_session = _session_named(index, self.policy.start)
        self.lists = RecordedLists(recording, index)
        self.events = RecordedEvents(recording)
        self.servers = ReplayedServers(recording, chosen, self.lists)
        self.names = ExposedNames(index.tools, single=self.servers.single)
        self.forms = RequestForms(recording, redaction)
        self.log = ReplayLog(recording) if log else None
        self.wraps = tuple(wraps)
        self.answers_at_once = not self.wraps
        """Whether plain hits may go the shorter way: nothing is wrapped around the look-up."""
        self.results = RecordedResults(self)
        self._stateless = StatelessReplays(
            lambda opening, emit: ReplayConversation(self, opening, emit), lambda: not self.events.any
        )

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """Begin a session with a state of its own."""
        if opening.stateless:
            named = opening.session_id is not None
            session = await (self._stateless.session(opening) if named else self._stateless.shared())
            return Named(session, emit, own=named)
        handshake = ReplayConversation(self, opening, emit)
        if opening.transport != "stdio":
            return handshake
        return EitherEra(handshake, await self._stateless.session(replace(opening, stateless=True)), emit)

    async def close(self) -> None:
        """End what stateless clients shared, and write what is still waiting to be logged."""
        await self._stateless.close()
        for wrap in self.wraps:
            await wrap.close()
        if self.log is not None:
            self.log.close()

    def tool_definitions(self, server: str | None = None) -> list[JsonObject]:
        """The latest recorded definition of each tool, of one server or all, under its exposed name."""
        tools = self.replay.index.tools.items()
        return [{**tool.definition, "name": self.exposed(key)} for key, tool in tools if server in (None, key.server)]

    def exposed(self, key: ToolKey) -> str:
        """The exposed name of a tool."""
        try:
            return self.names.exposed(key)
        except KeyError:
            return key.tool if self.servers.single else joined(key.server, key.tool)


def _session_named(index: ReplayIndex, start: str | None) -> int | None:
    """The recorded session that ``--start`` names, if it names one."""
    return next((session.id for session in index.sessions.values() if start in (session.key, str(session.id))), None)
