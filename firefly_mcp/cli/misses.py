"""``firefly misses``: what replay could not answer, and why."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from firefly_mcp.cli.filters import check_server, check_tool
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.jsonio import JsonObject, text

_SHOWN = 40


@click.command(name="misses")
@store_option
@click.option("--server", metavar="NAME", help="Only this server.")
@click.option("--tool", metavar="NAME", help="Only this tool.")
@click.option(
    "--cause",
    type=click.Choice(["never_recorded", "state", "origin", "invalid_arguments", "unknown_tool"]),
    help="Only misses of this cause.",
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Tell only the N most frequent one by one.")
@json_option
def command(store: Path, server: str | None, tool: str | None, cause: str | None, limit: int | None, as_json: bool) -> None:
    """What replay could not answer: counts by tool and cause, then each miss with what was nearest.

    never_recorded: which arguments of the nearest recorded calls are others. state: which calls that may affect the answer
    were made only here, or only before the recorded call. What one more recorded call would mend is what firefly sample and
    explore go for first.
    """
    from firefly_mcp.replay.missed import missed, totals
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        check_server(recording, server)
        check_tool(recording, server, tool)
        found = list(missed(recording, server=server, tool=tool, cause=cause))
    counts = totals(found)
    if as_json:
        emit_json({"misses": [one.to_json() for one in islice(found, limit)], **counts})
        return
    if not found:
        note(f"{store}: no replayed call was missed")
        return
    rows = [
        (row["server"], row["tool"], row["misses"], row["distinct"], ", ".join(f"{k} {n}" for k, n in row["causes"].items()))
        for row in counts["by_tool"]
    ]
    table(("server", "tool", "misses", "distinct", "*by cause"), rows)
    click.echo()
    shown = list(islice(found, _SHOWN if limit is None else limit))
    for one in shown:
        asked = text(one.call.arguments if one.call.tool is not None else one.call.params)
        click.echo(f"{one.count}x {plain(one.call.key)} {plain(asked, 200)}: {one.cause}{_since(one.recorded_since)}")
        for near in one.nearest or [{"why": one.why}]:
            click.echo(f"    {plain(_told(near), 400)}")
    if len(found) > len(shown):
        note(f"the {len(shown)} most frequent of {len(found):,}; --limit or --json gives more")


def _since(recorded: bool) -> str:
    return " (recorded since)" if recorded else ""


def _told(near: JsonObject) -> str:
    if "why" in near:
        return str(near["why"])
    parts = [f"call {near.get('call')}"]
    differs = near.get("differs") or {}
    if "state" in differs and set(differs) == {"state"}:
        for place, said in (("here_only", "made only here"), ("there_only", "made only there")):
            if near.get(place):
                made = ", ".join(f"{one['tool']} {text(one['arguments'])} (call {one['call']})" for one in near[place])
                parts.append(f"{said}: {made}")
        if len(parts) == 1:
            parts.append("in another state")
    else:
        for name, sides in differs.items():
            if isinstance(sides, dict):
                parts.append(f"{name}: recorded {text(sides.get('recorded'))}, asked {text(sides.get('asked'))}")
    return "; ".join(parts)
