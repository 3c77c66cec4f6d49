"""``firefly compose``: short live sessions composed of calls that are known to work, so that more tasks can be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from firefly_mcp.cli.exploring import announce, sources
from firefly_mcp.cli.living import living_options, living_settings
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, table


@click.command(name="compose")
@store_option
@click.option("--stateful", type=click.IntRange(min=0), default=400, show_default=True, help="Sessions of writes and reads.")
@click.option("--crossing", type=click.IntRange(min=0), default=300, show_default=True, help="Sessions across servers.")
@click.option("--lone", type=click.IntRange(min=0), default=400, show_default=True, help="Sessions of tools not proven yet.")
@click.option("--per-server", type=click.IntRange(min=1), default=24, show_default=True, help="Stateful sessions of a server.")
@living_options
@json_option
def command(store: Path, stateful: int, crossing: int, lone: int, per_server: int, as_json: bool, **told: Any) -> None:
    """Hold short sessions composed of calls that an exploration found to work, and observe each a second time.

    Three kinds: writes and the reads that show them, values carried from one server to another, and tools whose calls were
    seen only once or late in long sessions. Interrupted, the same command goes on where it stopped.
    """
    import asyncio

    from firefly_agents.composing.composer import ComposeSettings, compose_sessions
    from firefly_agents.progress import bar
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording

    specs, seeds, rules = sources(told["config"], told["servers"], told["seed_files"])
    settings = ComposeSettings(
        sessions={"stateful": stateful, "crossing": crossing, "lone": lone},
        per_server=per_server,
        explore=living_settings(told, seeds, rules),
    )
    announce(specs)
    with Recording(store) as recording, bar() as progress:
        report = asyncio.run(compose_sessions(recording, specs, settings, progress=progress))
        index_quietly(recording)
    if as_json:
        emit_json(report.to_json())
        return
    rows = [(name, value) for name, value in report.to_json().items() if not isinstance(value, dict)]
    rows += [(f"{kind} sessions", count) for kind, count in report.sessions.items()]
    table(["what", "count"], rows)
