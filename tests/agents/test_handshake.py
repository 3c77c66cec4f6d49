"""A client that would ask for the era first is made to shake hands at once, so that a server is started once."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp import Client

from firefly_agents.handshake import HandshakeOnly
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.messages import LATEST_HANDSHAKE
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

CALC = ServerSpec(name="calc", command=sys.executable, args=(str(Path(__file__).parent.parent / "servers" / "calc.py"),))


async def test_the_sdks_client_begins_one_session_by_handshake(tmp_path: Path) -> None:
    with Recording(tmp_path / "firefly.db", create=True) as recording:
        factory = HandshakeOnly(RecordFactory(recording, {"calc": CALC}, redactor=Redactor()))
        async with running_http(factory) as url, Client(f"{url}?session=one") as client:
            assert client.protocol_version == LATEST_HANDSHAKE
            result = await client.call_tool("add", {"a": 2, "b": 3})
            assert not result.is_error
        (session,) = queries.sessions(recording)
    assert (session.key, session.calls) == ("one", 1)
