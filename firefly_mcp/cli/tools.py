"""``firefly tools``: the tools of a recording, as their servers last described them."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.filters import check_server
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, plain, table


@click.command(name="tools")
@store_option
@click.option("--server", metavar="NAME", help="Only this server's tools.")
@json_option
def command(store: Path, server: str | None, as_json: bool) -> None:
    """The tools of a recording, and how often each was called."""
    from firefly_mcp.store import queries
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        check_server(recording, server)
        tools = queries.tools(recording, server)
        counts = {
            (name, tool): (calls, errors)
            for name, tool, calls, errors in recording.db.execute(
                "SELECT v.name, c.tool, count(*), sum(c.is_error) FROM call c JOIN server v ON v.id = c.server_id"
                " JOIN session s ON s.id = c.session_id WHERE c.tool IS NOT NULL AND s.kind <> 'replay' GROUP BY 1, 2"
            )
        }
    found = []
    for tool in tools:
        calls, errors = counts.get(tool.key, (0, 0))
        found.append(
            {
                "server": tool.server,
                "tool": tool.name,
                "title": tool.title,
                "description": tool.description,
                "input_schema": tool.input_schema,
                "output_schema": tool.output_schema,
                "annotations": tool.annotations,
                "hash": tool.hash,
                "calls": calls,
                "errors": errors,
            }
        )
    if as_json:
        emit_json(found)
        return
    rows = [(t["server"], t["tool"], _arguments(t), t["calls"], t["errors"], plain(t["description"], 160)) for t in found]
    table(("server", "tool", "*arguments", "calls", "errors", "*description"), rows)


def _arguments(tool: dict[str, object]) -> str:
    """Argument names; those that may be left out with a question mark."""
    schema = tool["input_schema"]
    properties = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    needed = required if isinstance(required, list) else []
    names = [name if name in needed else f"{name}?" for name in properties] if isinstance(properties, dict) else []
    return plain(", ".join(names), 120)
