"""``firefly import``: read cassettes, recorded data sets and other recorders' files into a recording."""

from __future__ import annotations

import os
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note


@click.command(name="import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@store_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "cassette", "calls", "mcp-cassette", "mcp-recorder", "mcp-rec"]),
    default="auto",
    show_default=True,
    help="What FILE is; auto sees for itself.",
)
@click.option(
    "--tools",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For calls: tool definitions, JSON lines {server, name, description, inputSchema, outputSchema?}.",
)
@click.option("--server", metavar="NAME", help="For another recorder's file: the server's name, in place of its own.")
@click.option(
    "--redaction",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Redaction rules of your own; without it redaction.toml in the working folder, if there is one.",
)
@json_option
def command(
    file: Path, store: Path, form: str, tools: Path | None, server: str | None, redaction: Path | None, as_json: bool
) -> None:
    """Import a file into a recording, all of it or nothing.

    cassette: what firefly export wrote; comes back as it was. calls: JSON lines {server, tool, arguments, result | error,
    session?, at?} of any recorded data set; lines without a session are independent look-ups. mcp-cassette, mcp-recorder and
    mcp-rec: what those recorders wrote. All but cassettes are redacted before anything is written.
    """
    from firefly_mcp.exchange.arrival import bring
    from firefly_mcp.redaction_rules import rules_for
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording

    rules = rules_for(redaction, None, (), os.environ)
    arrived = bring(
        file, store, form=form, tools=tools, server=server, rules=rules, tell=lambda count: note(f"{count:,} lines read")
    )
    with Recording(store) as recording:
        index_quietly(recording)
    if as_json:
        emit_json(arrived.to_json())
        return
    note(f"{arrived.form}: {arrived.sessions:,} sessions, {arrived.calls:,} calls, {arrived.tools:,} tools, now in {store}")
    if arrived.unanswered:
        note(f"{arrived.unanswered:,} calls have no answer in {file}")
    if arrived.redacted:
        note("redacted: " + ", ".join(f"{rule} {count:,}" for rule, count in sorted(arrived.redacted.items())))
    if arrived.same:
        note(f"{arrived.same:,} sessions were there already")
    for one in arrived.renamed:
        note(f"session {one['key']!r} is another one than that of {store}, and is now {one['to']!r}")
    for name in arrived.mixed:
        note(f"some calls of {name!r} name a session and some do not: those without one are one session, in their order")
