"""``firefly effects``: which tools may change what others answer, and how that is known."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.filters import check_server
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.cli.replay_steps import rules_option
from firefly_mcp.jsonio import text


@click.command(name="effects")
@store_option
@click.option("--server", metavar="NAME", help="Only this server's tools.")
@rules_option
@json_option
def command(store: Path, server: str | None, rules_file: Path | None, as_json: bool) -> None:
    """Which tools may change what others answer, and how that is known.

    Replay answers a read only in the state in which it was recorded; this relation says what makes a state.
    """
    from firefly_mcp.replay.rules_file import replay_rules_for
    from firefly_mcp.state.learn import learn_effects
    from firefly_mcp.store import queries
    from firefly_mcp.store.recording import Recording

    rules = replay_rules_for(rules_file, store, note)
    with Recording(store) as recording:
        check_server(recording, server)
        tools = queries.tool_map(recording)
        rules.check(tools, str(store))
        relation = learn_effects(recording, rules.declared(tools), rules.volatile(tools))
        names = list(queries.servers(recording))
    pairs = [
        {
            "server": writer.server,
            "writer": writer.tool,
            "reader": reader.tool,
            "affects": effect.affects,
            "source": effect.source,
            "evidence": effect.evidence,
        }
        for writer, reader, effect in relation.pairs(server)
    ]
    volatile = [key._asdict() for key in sorted(relation.volatile) if server in (None, key.server)]
    stateless = [name for name in names if server in (None, name) and relation.stateless(name)]
    if as_json:
        emit_json({"effects": pairs, "volatile": volatile, "stateless": stateless})
        return
    if pairs:
        columns = ("server", "writer", "reader", "may affect", "known from", "*evidence")
        rows = [
            (
                p["server"],
                p["writer"],
                p["reader"],
                "yes" if p["affects"] else "no",
                p["source"],
                plain(text(p["evidence"]), 120),
            )
            for p in pairs
        ]
        table(columns, rows)
    for key in volatile:
        note(f"volatile (answers otherwise although nothing happened): {key['server']}/{key['tool']}")
    for name in stateless:
        note(f"stateless (no tool affects another): {name}")
