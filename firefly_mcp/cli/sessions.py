"""``firefly sessions``: who called, when, over what, and where the servers' state began."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import click

from firefly_mcp.cli.filters import session_id
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, plain, table
from firefly_mcp.types import SessionKind


@click.command(name="sessions")
@store_option
@click.option("--session", metavar="ID|KEY", help="Only this session.")
@click.option("--kind", type=click.Choice([kind.value for kind in SessionKind]), help="Only sessions of this kind.")
@json_option
def command(store: Path, session: str | None, kind: str | None, as_json: bool) -> None:
    """The sessions of a recording."""
    from firefly_mcp.store import queries
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        wanted = session_id(recording, session)
        connections = defaultdict(list)
        for connection in queries.connections(recording, wanted):
            connections[connection.session].append(
                {
                    "server": connection.server,
                    "protocol_version": connection.protocol_version,
                    "server_info": connection.initialize.get("serverInfo", {}),
                    "origin": connection.origin,
                }
            )
        found = [
            {
                "id": one.id,
                "key": one.key,
                "kind": one.kind,
                "transport": one.transport,
                "client_info": one.client_info,
                "protocol_version": one.protocol_version,
                "servers": connections[one.id],
                "labels": one.labels,
                "config": one.config,
                "redacted": one.labels.get("redacted") or {},
                "started_at": one.started_at,
                "ended_at": one.ended_at,
                "calls": one.calls,
            }
            for one in queries.sessions(recording, kind=kind)
            if wanted in (None, one.id)
        ]
    if as_json:
        emit_json(found)
        return
    rows = []
    for one in found:
        origins = ", ".join(f"{c['server']} ({c['origin']})" for c in connections[_number(one["id"])])
        started = datetime.fromtimestamp(float(str(one["started_at"])), UTC).strftime("%Y-%m-%d %H:%M:%S")
        client = one["client_info"].get("name", "") if isinstance(one["client_info"], dict) else ""
        rows.append((one["id"], plain(one["key"], 12), one["kind"], one["transport"], client, started, one["calls"], origins))
    table(("id", "key", "kind", "transport", "client", "started (UTC)", "calls", "*servers (origin)"), rows)


def _number(value: object) -> int:
    return int(str(value))
