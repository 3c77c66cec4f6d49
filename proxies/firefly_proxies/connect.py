"""Starts the upstream that a server's spec asks for."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, Mapping
from pathlib import Path

from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.servers.names import slug
from firefly_proxies import deterministic
from firefly_proxies.child import Child, environment
from firefly_proxies.sandbox import Sandbox, common_place
from firefly_proxies.upstream import START_SECONDS, Listener, Upstream
from firefly_proxies.upstream_http import HttpPool, HttpUpstream
from firefly_proxies.upstream_sse import SseUpstream
from firefly_proxies.upstream_stdio import StdioUpstream

WORKDIR = "WORKDIR"
"""The variable that stands for a server's working folder in a sandbox."""
Prepare = Callable[[ServerSpec, Path], None]
"""Puts seed files into the working folder of a fresh sandbox."""


class Connector:
    """Connects to servers; holds the HTTP connections that the sessions share."""

    def __init__(
        self,
        *,
        variables: Mapping[str, str] = os.environ,
        sandbox: Path | None = None,
        prepare: Prepare | None = None,
        offline: bool = False,
        start_seconds: float = START_SECONDS,
        tidy: bool = False,
    ) -> None:
        """Set the rules for children.

        Args:
            variables: values for ``${VAR}`` in specs.
            sandbox: a folder below which each child gets a fresh HOME and working folder (``${WORKDIR}``); None runs
                children as the user would, in the user's own HOME and folder.
            prepare: called with the spec and the working folder of each fresh sandbox.
            offline: cut the children's network where the system can.
            start_seconds: how long a server may take to its first answer.
            tidy: remove a child's sandbox when the child has ended.
        """
        self._tidy = tidy
        self._variables = variables
        self._sandbox = sandbox
        self._prepare = prepare
        self._offline = offline
        self._start_seconds = start_seconds
        self._pool = HttpPool()

    async def connect(self, spec: ServerSpec, listener: Listener, *, headers: Mapping[str, str] | None = None) -> Upstream:
        """Start a session with a server.

        Args:
            spec: as configured, not expanded.
            listener: takes what the server says unasked.
            headers: more HTTP headers for a server at a URL; those of the spec win.

        Raises:
            ServerError: it could not be started.
            ConfigError: a variable of its spec is not set.
        """
        if spec.command is None:
            return self._at_url(spec.expanded(self._variables), listener, headers or {})
        sandbox = None if self._sandbox is None else Sandbox.create(self._sandbox, slug(spec.name), common_place())
        variables = self._variables
        if sandbox is not None:
            variables = ChainMap({WORKDIR: str(sandbox.work)}, dict(self._variables))
            if self._prepare is not None:
                self._prepare(spec, sandbox.work_here)
        full = spec.expanded(variables)
        assert full.command is not None
        configured = dict(full.env)
        if sandbox is not None and deterministic.wanted(spec.extra.get("firefly")):
            configured |= deterministic.variables(spec.name, configured)
        child = await Child.start(
            full.name,
            [full.command, *full.args],
            env=environment(configured, sandbox=sandbox, offline=self._offline),
            cwd=full.cwd or (None if sandbox is None else sandbox.work),
            offline=self._offline,
            sandbox=sandbox,
            tidy=self._tidy,
        )
        return StdioUpstream(child, listener, start_seconds=self._start_seconds)

    def _at_url(self, spec: ServerSpec, listener: Listener, headers: Mapping[str, str]) -> Upstream:
        if spec.url is None:
            raise ConfigError(f"server {spec.name!r} has neither a command nor a url")
        own = {name.lower() for name in spec.headers}
        sent = {name: value for name, value in headers.items() if name.lower() not in own} | dict(spec.headers)
        kind = SseUpstream if spec.transport == "sse" else HttpUpstream
        return kind(spec.name, spec.url, sent, listener, self._pool, start_seconds=self._start_seconds)

    async def close(self) -> None:
        """Close the connections that the sessions shared."""
        await self._pool.close()
