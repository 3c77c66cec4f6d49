"""The rung ``live``: a miss is put to the real server, and the answer becomes part of the recording.

What a real server answers depends on what it was asked before. So each replayed session has a session of its own with the real
servers, begun at its first miss; before anything that has to do with state is asked there, the session's earlier calls are made
there too, in order. Only where they are answered as they were in the replay is the live server where the session is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from firefly_mcp.errors import FireflyError
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.start import AMBIGUOUS, start_of
from firefly_mcp.secret_values import MARKER
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind, SessionKind
from firefly_proxies.connect import Connector
from firefly_proxies.live_session import LiveLedger, LiveServer
from firefly_proxies.on_miss import Made, Missed, Place
from firefly_proxies.upstream import START_SECONDS, Listener, Upstream

_NOT_ASKED = frozenset({"unknown_tool", "origin", "session", "exchange"})
"""Causes that a real server could not mend: the session's state is not known, or its client was asked something."""
LABEL = "live"
"""The label of the sessions in which live answers are recorded."""


@dataclass
class _Own:
    """What one replayed session has of the real servers."""

    ledger: LiveLedger
    servers: dict[str, LiveServer] = field(default_factory=dict)


class Live:
    """Asks the real servers."""

    def __init__(
        self,
        recording: Recording,
        specs: Mapping[str, ServerSpec],
        *,
        redactor: Redactor,
        variables: Mapping[str, str] = os.environ,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Prepare; servers are started at the first miss of a session.

        Args:
            recording: where their answers go.
            specs: the servers by their names in the recording, not expanded. Others of the recording stay silent.
            redactor: what it leaves is what is stored and served.
            variables: values for ``${VAR}`` in the specs.
            start_seconds: how long a server may take to its first answer.
        """
        self._recording = recording
        self._specs = dict(specs)
        self._redactor = redactor
        self._connector = Connector(variables=variables, start_seconds=start_seconds)
        self._config: JsonObject = {"servers": {name: spec.redacted() for name, spec in self._specs.items()}}
        if redactor.rules:
            self._config["redaction"] = redactor.rules.to_json()
        known = {key.server for key in queries.tool_map(recording)}
        self._listed = {name for name in self._specs if name in known}
        self._sessions: dict[ReplaySession, _Own] = {}

    async def answer(self, place: Place, missed: Missed) -> Answer:
        """The real server's answer, or the miss with the reason why it was not asked."""
        key, replay = missed.ask.key, place.session.replay
        rules, relation = replay.index.rules, replay.index.relation
        if key.server not in self._specs or missed.cause in _NOT_ASKED:
            return missed.answer
        if rules is not None and not rules.allows(key, MatchKind.LIVE):
            return missed.explained("forbidden", f"{key} may not be asked live by the rules")
        stateful = relation.reads_state(key) or relation.writes(key)
        try:
            live = self._server(place, key.server)
            if stateful and (why := await self._bring(place, key.server)):
                return missed.explained("live_state", f"the live server was not asked: {why}")
            call = await live.ask(missed.ask.method, missed.ask.own, missed.ask.message["id"])
        except FireflyError as trouble:
            return missed.explained("live_failed", f"the live server did not answer: {trouble}")
        replay.index.add(call)
        if stateful:
            place.repeated = len(place.made) + 1  # this one included, which is not noted yet
        place.session.settle(missed.past, call, label=f"{key} (call {call.id})")
        return Answer(MatchKind.LIVE, call)

    async def end(self, session: ReplaySession) -> None:
        """End the live session of a replayed one."""
        own = self._sessions.pop(session, None)
        if own is not None:
            await asyncio.gather(*(server.close() for server in own.servers.values()), return_exceptions=True)
            own.ledger.close()

    async def close(self) -> None:
        """End what is left, and close the connections."""
        for session in list(self._sessions):
            await self.end(session)
        await self._connector.close()

    async def _bring(self, place: Place, server: str) -> str:
        """Make the session's earlier calls on the live servers; gives the reason if they are not where the session is then."""
        replay = place.session.replay
        for name in {server, *(made.call.server for made in place.made)}:
            begin = start_of(replay.index, name, replay.policy.start)
            if begin.origin == AMBIGUOUS:
                return "the recording has several beginnings; choose one with --start"
            if begin.writers or begin.totals:
                return "the session continues a recorded one, whose calls are not made again"
            if name not in self._specs:
                return f"{name} is not among the live servers, and the session has called it"
        if place.unanswered:
            return f"the session's {place.unanswered} was not answered, and may have changed something"
        while not place.apart and place.repeated < len(place.made):
            place.apart = await self._again(place, place.made[place.repeated])
            place.repeated += 1
        return place.apart

    async def _again(self, place: Place, made: Made) -> str:
        """Make one earlier call; gives the reason if it is not answered as it was."""
        index = place.session.replay.index
        call, key = made.call, made.call.key
        if index.rules is not None and index.rules.side_effects(key):
            return f"{key} has side effects, and is not made again"
        params = call.params
        if MARKER.search(text(params)):  # the recording does not hold what was asked, but the client has said it
            params = made.ask.own
        again = await self._server(place, key.server).ask(call.method, params)
        index.add(again)
        same = (again.result_hash, again.error) == (call.result_hash, call.error)
        if same or key in index.relation.volatile:
            return ""
        return f"{key} (call {call.id}) is answered otherwise there (call {again.id}), so it is in another state"

    def _server(self, place: Place, server: str) -> LiveServer:
        own = self._sessions.get(place.session)
        if own is None:
            own = self._sessions[place.session] = _Own(self._ledger(place.session))
        live = own.servers.get(server)
        if live is None:
            spec = self._specs[server]

            async def connect(listener: Listener) -> Upstream:
                return await self._connector.connect(spec, listener)

            live = own.servers[server] = LiveServer(server, own.ledger, connect, place.emit, self._listed)
        return live

    def _ledger(self, session: ReplaySession) -> LiveLedger:
        replay = session.replay
        begins = {name: start_of(replay.index, name, replay.policy.start).origin for name in self._specs}
        return LiveLedger(
            self._recording,
            self._redactor,
            kind=SessionKind.RECORD,
            key=None,
            transport="replay",
            labels={LABEL: True},
            config=self._config,
            origins={name: f"live({origin})" for name, origin in begins.items()},
            on_store_error="fail",
        )
