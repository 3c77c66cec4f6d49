"""``firefly merge``: put recordings together."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, table
from firefly_mcp.errors import UsageError

_TOLD = 5
"""Of each kind so many things are told by name."""


@click.command(name="merge")
@click.argument("sources", metavar="A.db B.db...", nargs=-1, type=click.Path(path_type=Path))
@store_option
@json_option
def command(sources: tuple[Path, ...], store: Path, as_json: bool) -> None:
    """Put recordings together into a new one, losing nothing.

    The same session is taken once; another session of the same key is renamed. The file that --store names must not exist.
    """
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.merge import merge
    from firefly_mcp.store.recording import Recording

    if len(sources) < 2:
        raise UsageError("give two recordings or more, and with --store the file to write")
    report = merge(sources, store)
    with Recording(store) as recording:
        index_quietly(recording)
    if as_json:
        emit_json(report.to_json())
        return
    table(("*recording", "id", "sessions", "calls"), [(s["path"], s["id"], s["sessions"], s["calls"]) for s in report.sources])
    told = [
        f"session {one['key']!r} of {one['source']} is another one than before, and is now {one['to']!r}"
        for one in report.renamed
    ]
    _tell("sessions", told)
    told = [
        f"server {one['server']!r} is configured otherwise in {one['source']}; that is kept in the table info"
        for one in report.specs
    ]
    _tell("servers", told)
    _tell("tasks", [f"task {name} is told differently; the better status is kept" for name in report.tasks])
    note(f"wrote {report.store}: {report.sessions:,} sessions, {report.calls:,} calls; {report.same:,} sessions were the same")


def _tell(what: str, lines: list[str]) -> None:
    """Tell the first few, and how many there are more."""
    for line in lines[:_TOLD]:
        note(line)
    if len(lines) > _TOLD:
        note(f"so it is with {len(lines) - _TOLD:,} more {what} (--json names them all)")
