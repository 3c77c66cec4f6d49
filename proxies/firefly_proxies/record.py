"""The recording proxy: one upstream session for each client session, every message passed on, every call kept.

With one server the relay is transparent: what it does not know it passes on as it is. Several servers behind one endpoint are
a :class:`~firefly_proxies.gateway.Gateway`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.errors import ServerError, UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind
from firefly_proxies.connect import Connector, Prepare
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.gateway import Gateway
from firefly_proxies.ledger import Ledger, Redacts
from firefly_proxies.link import Link
from firefly_proxies.messages import (
    LATEST_STATELESS,
    META_CAPABILITIES,
    META_CLIENT,
    META_VERSION,
    UNSUPPORTED_VERSION,
    RequestId,
    own_id,
    request,
)
from firefly_proxies.stateless import StatelessSessions
from firefly_proxies.upstream import START_SECONDS, Connect, Listener, RefusedError, Upstream


class Relay:
    """One client session with one server."""

    def __init__(self, link: Link, ledger: Ledger, handshake_refused: Callable[[], None]) -> None:
        """Serve over a link; ``handshake_refused`` is told when the server speaks the stateless era alone."""
        self._link = link
        self._ledger = ledger
        self._handshake_refused = handshake_refused

    async def request(self, message: JsonObject) -> JsonObject:
        """Pass a request on."""
        answer = await self._link.request(message)
        if message["method"] == "initialize" and (answer.get("error") or {}).get("code") == UNSUPPORTED_VERSION:
            self._handshake_refused()
        return answer

    async def notify(self, message: JsonObject) -> None:
        """Pass a notification or response on."""
        await self._link.notify(message)

    async def close(self) -> None:
        """End the upstream session and the recorded one."""
        try:
            await self._link.close()
        finally:
            self._ledger.close()

    @property
    def dead(self) -> bool:
        """Whether the server is gone, so that this session can do nothing more."""
        return self._link.dead


class RecordFactory:
    """Opens recorded sessions with one server, or with several behind one endpoint."""

    def __init__(
        self,
        recording: Recording,
        specs: Mapping[str, ServerSpec],
        *,
        redactor: Redacts,
        variables: Mapping[str, str] = os.environ,
        sandbox: Path | None = None,
        prepare: Prepare | None = None,
        offline: bool = False,
        kind: str = SessionKind.RECORD,
        labels: Mapping[str, Any] | None = None,
        origins: Mapping[str, str] | None = None,
        on_store_error: str = "fail",
        connect: Connect | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Prepare; servers are started by the sessions.

        Args:
            recording: open for writing; closing it stays with the caller.
            specs: the servers by name, not expanded.
            redactor: what it leaves is what is stored; what is passed on is never changed.
            variables: values for ``${VAR}`` in the specs.
            sandbox: a folder below which each server process gets a fresh HOME and working folder; None runs servers as the
                user would.
            prepare: called with the spec and the working folder of each fresh sandbox, to put files there.
            offline: cut the servers' network where the system can.
            kind: the kind of the recorded sessions.
            labels: kept with each session.
            origins: where the state of a server begins, by name; ``unknown`` for those left out.
            on_store_error: ``fail`` refuses a call that cannot be recorded, ``pass`` lets it through and says so.
            connect: supplies upstreams in place of starting processes and opening connections.
            start_seconds: how long a server may take to its first answer.

        Raises:
            UsageError: no server, or an unknown ``on_store_error``.
            StoreError: the recording cannot be written.
        """
        if not specs:
            raise UsageError("no server to record: give --config FILE or -- COMMAND ARG...")
        if on_store_error not in ("fail", "pass"):
            raise UsageError(f"on_store_error is 'fail' or 'pass', not {on_store_error!r}")
        self._recording = recording
        self._specs = dict(specs)
        self._redactor = redactor
        self._kind = str(kind)
        self._labels = dict(labels or {})
        self._origins = dict(origins or {})
        self._on_store_error = on_store_error
        self._connect = connect
        self._connector = Connector(
            variables=variables, sandbox=sandbox, prepare=prepare, offline=offline, start_seconds=start_seconds
        )
        self._listed: set[str] = set()
        self._asking = asyncio.Lock()
        self._native: bool | None = None
        # a supplied upstream may be shared already: in which era it is spoken to is not ours to find out
        own_process = connect is None and self.single and next(iter(self._specs.values())).command is not None
        self._stateless = StatelessSessions(self._session, may_be_native=own_process)
        self._config: JsonObject = {"servers": {name: spec.redacted() for name, spec in self._specs.items()}}
        if redactor.rules:
            self._config["redaction"] = redactor.rules.to_json()
        for name, config in self._config["servers"].items():
            recording.add_server(name, config)

    @property
    def single(self) -> bool:
        """Whether this is a transparent relay for one server."""
        return len(self._specs) == 1

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """Begin a session; its servers start with its first request."""
        if not opening.stateless or await self._speaks_stateless(opening):
            return self._session(opening, emit)
        return self._stateless.conversation(opening, emit)

    async def close(self) -> None:
        """Release what the sessions shared."""
        await self._stateless.close()
        await self._connector.close()

    def _session(self, opening: Opening, emit: Emit) -> Relay | Gateway:
        ledger = Ledger(
            self._recording,
            self._redactor,
            kind=self._kind,
            key=opening.session_id,
            transport=opening.transport,
            labels=self._labels,
            config=self._config,
            origins=self._origins,
            on_store_error=self._on_store_error,
        )
        if not self.single:
            return Gateway(self._specs, lambda name, hear: self._link(name, ledger, hear, {}), ledger, emit)
        (name,) = self._specs
        return Relay(self._link(name, ledger, emit, _passed_on(opening)), ledger, self._stateless.refuse_handshake)

    def _link(self, name: str, ledger: Ledger, hear: Listener, headers: Mapping[str, str]) -> Link:
        return Link(name, ledger, lambda listener: self._upstream(name, listener, headers), hear, self._listed)

    async def _upstream(self, name: str, listener: Listener, headers: Mapping[str, str]) -> Upstream:
        if self._connect is not None:
            return await self._connect(self._specs[name], listener)
        return await self._connector.connect(self._specs[name], listener, headers=headers)

    async def _speaks_stateless(self, opening: Opening) -> bool:
        """Whether the one server is at a URL and speaks the stateless era itself; asked until it has said."""
        (spec, *others) = self._specs.values()
        if others or spec.transport != "http":
            return False
        async with self._asking:
            if self._native is None:
                try:
                    self._native = await self._probe(spec, opening)
                except RefusedError:
                    return True  # the client must see the refusal in the server's own terms
                except ServerError:
                    return False
        return self._native

    async def _probe(self, spec: ServerSpec, opening: Opening) -> bool:
        async def ignore(message: JsonObject, related: RequestId | None) -> None:
            return

        envelope = {
            META_VERSION: LATEST_STATELESS,
            META_CLIENT: {"name": "firefly", "version": __version__},
            META_CAPABILITIES: {},
        }
        upstream = await self._upstream(spec.name, ignore, _passed_on(opening))
        try:
            answer = await upstream.request(request(own_id("discover"), "server/discover", {"_meta": envelope}))
        finally:
            await upstream.close()
        return LATEST_STATELESS in ((answer.get("result") or {}).get("supportedVersions") or ())


def _passed_on(opening: Opening) -> dict[str, str]:
    """The headers of a client that its server must see: OAuth is between the two."""
    authorization = opening.headers.get("authorization")
    return {} if authorization is None else {"Authorization": authorization}
