"""``firefly explore``: let an agent try out servers in sandboxes, through the recording proxy."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, table


@click.command(name="explore")
@store_option
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Servers, as the desktop clients write them (mcpServers). Without it: the bundled offline servers.",
)
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Only this server; may be repeated.")
@click.option("--episodes", type=click.IntRange(min=1), default=100, show_default=True, help="How many episodes in all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all choices.")
@click.option(
    "--model",
    default="offline",
    show_default=True,
    metavar="NAME",
    help="offline, or a model at OPENAI_BASE_URL (OPENAI_API_KEY).",
)
@click.option("--concurrency", type=click.IntRange(1, 64), default=3, show_default=True, help="Sessions held at once.")
@click.option("--max-calls", type=click.IntRange(min=1), default=None, help="Begin no more episodes after so many calls.")
@click.option("--max-seconds", type=click.FloatRange(min=1), default=None, help="Begin no more episodes after so long.")
@click.option("--offline", is_flag=True, help="Cut the servers' network where the system can.")
@click.option("--allow-destructive", is_flag=True, help="Offer destructive tools of servers that cannot be sandboxed as well.")
@json_option
def command(
    store: Path,
    config: Path | None,
    servers: tuple[str, ...],
    episodes: int,
    seed: int,
    model: str,
    concurrency: int,
    max_calls: int | None,
    max_seconds: float | None,
    offline: bool,
    allow_destructive: bool,
    as_json: bool,
) -> None:
    """Explore servers and record everything.

    Each server runs in a sandbox of its own: a fresh HOME and working folder for every session. Useful sessions are observed a
    second time in fresh sandboxes. Interrupted, the same command goes on where it stopped.
    """
    import asyncio

    from firefly_agents.explorer import OFFLINE, explore
    from firefly_agents.models import make_named_model
    from firefly_agents.progress import bar
    from firefly_agents.sandboxes import Seeds
    from firefly_mcp.errors import ConfigError
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.servers.bundled import bundled_path, seed_folder
    from firefly_mcp.servers.config import load_servers
    from firefly_mcp.store.recording import Recording

    specs = load_servers(config or bundled_path(), servers)
    if not specs:
        raise ConfigError(f"{config}: no servers in it")
    if model != OFFLINE:
        make_named_model(model)  # says what is missing before a recording is made
    seeds = Seeds(seed_folder() if config is None else config.resolve().parent)
    with Recording(store, create=True) as recording, bar() as progress:
        report = asyncio.run(
            explore(
                recording,
                specs,
                episodes=episodes,
                seed=seed,
                model=model,
                concurrency=concurrency,
                max_calls=max_calls,
                max_seconds=max_seconds,
                seeds=seeds,
                offline=offline,
                allow_destructive=allow_destructive,
                progress=progress,
            )
        )
        index_quietly(recording)
    for name, reason in report.left_out.items():
        note(f"server {name!r} was left out: {reason}")
    if as_json:
        emit_json(report.to_json())
        return
    shown = {key: value for key, value in report.to_json().items() if key not in ("servers", "left_out", "failed")}
    table(["what", "count"], [("servers", len(report.servers)), *shown.items()])
    if report.failed:
        table(["failed at", "sessions"], sorted(report.failed.items()))
