"""``firefly stats``: what a recording holds, in numbers."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, table


@click.command(name="stats")
@store_option
@json_option
def command(store: Path, as_json: bool) -> None:
    """What a recording holds, in numbers."""
    from firefly_mcp.report.figures import figures
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        found = figures(recording)
    if as_json:
        emit_json(found)
        return
    rows = []
    for name, value in found.items():
        if isinstance(value, dict):
            rows.append((name.replace("_", " "), ", ".join(f"{key} {count:,}" for key, count in value.items()) or "-"))
        else:
            rows.append((name, f"{value:,}"))
    table(("what", "*how many"), rows, title=str(store))
