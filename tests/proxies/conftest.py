"""What the proxy tests share: recordings, specs of the test servers, and a proxy inside the test's own event loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, Firefly, Proxy, Specs, running_firefly


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    with Recording(tmp_path / "firefly.db", create=True) as opened:
        yield opened


@pytest.fixture
def spec() -> Specs:
    """Makes the spec of a server in tests/servers: ``spec("bad", "dies")``."""

    def make(name: str, *args: str, called: str | None = None, env: Mapping[str, str] | None = None) -> ServerSpec:
        script = str(SERVERS / f"{name}.py")
        return ServerSpec(name=called or name, command=sys.executable, args=(script, *args), env=dict(env or {}))

    return make


@pytest.fixture
def proxy(recording: Recording) -> Proxy:
    """Serves a recording proxy for the given specs; yields its URL."""

    @asynccontextmanager
    async def serve(*specs: ServerSpec, http: Mapping[str, Any] | None = None, **settings: Any) -> AsyncIterator[str]:
        settings.setdefault("redactor", Redactor())
        factory = RecordFactory(recording, {spec.name: spec for spec in specs}, **settings)
        async with running_http(factory, **(http or {})) as url:
            yield url

    return serve


@pytest.fixture
def firefly() -> Firefly:
    """Starts a ``firefly`` command as a process of its own."""
    return running_firefly
