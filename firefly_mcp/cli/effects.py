"""``firefly effects``: which tools may change what others answer, how that is known, and what would settle what is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firefly_mcp.cli.filters import check_server
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.cli.replay_steps import rules_option
from firefly_mcp.jsonio import text

if TYPE_CHECKING:
    from firefly_mcp.state.effects import Effect, EffectRelation
    from firefly_mcp.state.probes import Suggestion
    from firefly_mcp.types import ToolKey

_SHOWN_PROBES = 20
_SHOWN_JSON_PROBES = 1000


@click.command(name="effects")
@store_option
@click.option("--server", metavar="NAME", help="Only this server's tools.")
@rules_option
@json_option
def command(store: Path, server: str | None, rules_file: Path | None, as_json: bool) -> None:
    """Which tools may change what others answer, how that is known, and what would settle what is only guessed.

    Replay answers a read only in the state in which it was recorded; this relation says what makes a state. A guess is
    settled by a session that makes the named calls again, in that order and with nothing else going on.
    """
    from firefly_mcp.replay.rules_file import replay_rules_for
    from firefly_mcp.state.learn import learn_effects
    from firefly_mcp.state.probes import suggest_probes
    from firefly_mcp.store import queries
    from firefly_mcp.store.recording import Recording

    rules = replay_rules_for(rules_file, store, note)
    with Recording(store) as recording:
        check_server(recording, server)
        tools = queries.tool_map(recording)
        rules.check(tools, str(store))
        relation = learn_effects(recording, rules.declared(tools), rules.volatile(tools))
        names = [name for name in queries.servers(recording) if server in (None, name)]
        calls = queries.calls(recording, server=server, evidence_only=True, results=False)
        probes = suggest_probes(calls, relation, limit=_SHOWN_JSON_PROBES)
    rows = relation.pairs(server)
    volatile = [key._asdict() for key in sorted(relation.volatile) if key.server in names]
    stateless = [name for name in names if relation.stateless(name)]
    if as_json:
        effects = [_row(writer, reader, effect) for writer, reader, effect in rows]
        told = [probe.to_json() for probe in probes]
        emit_json({"effects": effects, "volatile": volatile, "stateless": stateless, "probes": told})
        return
    _show(relation, rows)
    for key in volatile:
        note(f"volatile (answers otherwise although nothing happened): {key['server']}/{key['tool']}")
    for name in stateless:
        note(f"stateless (no tool affects another): {name}")
    _show_probes(probes)


def _row(writer: ToolKey, reader: ToolKey, effect: Effect) -> dict[str, Any]:
    return {
        "server": writer.server,
        "writer": writer.tool,
        "reader": reader.tool,
        "affects": effect.affects,
        "source": effect.source,
        "evidence": effect.evidence,
    }


def _show(relation: EffectRelation, rows: Sequence[tuple[ToolKey, ToolKey, Effect]]) -> None:
    """A line for each pair that something is known of; what follows from the writer alone is one line for all its readers."""
    lines: list[tuple[str, ...]] = []
    presumed: dict[ToolKey, int] = {}
    for writer, reader, effect in rows:
        if effect is relation.presumed(writer):
            presumed[writer] = presumed.get(writer, 0) + 1
        else:
            shown = reader.tool if reader.server == writer.server else str(reader)
            lines.append(_line(writer, shown, effect))
    for writer, count in presumed.items():
        lines.append(_line(writer, f"any ({count} tools)", relation.presumed(writer)))
    if lines:
        table(("server", "writer", "reader", "may affect", "known from", "*evidence"), sorted(lines))


def _line(writer: ToolKey, reader: str, effect: Effect) -> tuple[str, ...]:
    evidence = plain(text(effect.evidence), 120)
    return (writer.server, writer.tool, reader, "yes" if effect.affects else "no", effect.source, evidence)


def _show_probes(probes: Sequence[Suggestion]) -> None:
    if not probes:
        return
    click.echo("\nguessed; a session that makes these recorded calls in this order would settle it (see firefly calls):")
    shown = [(p.writer.server, p.writer.tool, p.reader.tool, text(p.to_json()["calls"])) for p in probes[:_SHOWN_PROBES]]
    table(("server", "writer", "reader", "*calls"), shown)
    if len(probes) > len(shown):
        note(f"{len(probes) - len(shown)} more guesses: firefly effects --json names them")
