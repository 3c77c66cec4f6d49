"""``firefly compose``: short live sessions composed of calls that are known to work, so that more tasks can be made."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.exploring import announce, seed_files_option, sources
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, table


@click.command(name="compose")
@store_option
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Servers, as the desktop clients write them (mcpServers). Without it: the bundled offline servers.",
)
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Only this server; may be repeated.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all choices.")
@click.option("--stateful", type=click.IntRange(min=0), default=400, show_default=True, help="Sessions of writes and reads.")
@click.option("--crossing", type=click.IntRange(min=0), default=300, show_default=True, help="Sessions across servers.")
@click.option("--lone", type=click.IntRange(min=0), default=400, show_default=True, help="Sessions of tools not proven yet.")
@click.option("--per-server", type=click.IntRange(min=1), default=24, show_default=True, help="Stateful sessions of a server.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=3, show_default=True, help="Sessions held at once.")
@click.option("--live", type=click.IntRange(min=1), default=16, show_default=True, help="Server processes that live at once.")
@click.option("--max-seconds", type=click.FloatRange(min=1), default=None, help="Begin no more sessions after so long.")
@click.option("--session-seconds", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds of one session.")
@click.option(
    "--start-seconds", type=click.FloatRange(min=1), default=180, show_default=True, help="Seconds to start a server."
)
@click.option("--offline", is_flag=True, help="Cut the servers' network where the system can.")
@seed_files_option
@json_option
def command(
    store: Path,
    config: Path | None,
    servers: tuple[str, ...],
    seed: int,
    stateful: int,
    crossing: int,
    lone: int,
    per_server: int,
    concurrency: int,
    live: int,
    max_seconds: float | None,
    session_seconds: float,
    start_seconds: float,
    offline: bool,
    seed_files: Path | None,
    as_json: bool,
) -> None:
    """Hold short sessions composed of calls that an exploration found to work, and observe each a second time.

    Three kinds: writes and the reads that show them, values carried from one server to another, and tools whose calls were
    seen only once or late in long sessions. Interrupted, the same command goes on where it stopped.
    """
    import asyncio

    from firefly_agents.composing.composer import ComposeSettings, compose_sessions
    from firefly_agents.progress import bar
    from firefly_agents.settings import Budget, ExploreSettings
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording

    specs, seeds, rules = sources(config, servers, seed_files)
    settings = ComposeSettings(
        sessions={"stateful": stateful, "crossing": crossing, "lone": lone},
        per_server=per_server,
        explore=ExploreSettings(
            seed=seed,
            concurrency=concurrency,
            live=live,
            max_seconds=max_seconds,
            budget=Budget(seconds=session_seconds, start_seconds=start_seconds),
            seeds=seeds,
            offline=offline,
            redaction=rules,
        ),
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
