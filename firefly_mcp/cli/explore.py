"""``firefly explore``: let an agent try out servers in sandboxes, through the recording proxy."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.exploring import announce, seed_files_option, sources
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
@click.option("--per-server", type=click.IntRange(min=1), default=3, show_default=True, help="Of them with one server at most.")
@click.option("--live", type=click.IntRange(min=1), default=16, show_default=True, help="Server processes that live at once.")
@click.option("--rate", type=click.FloatRange(min=0.01), default=None, help="Calls a second that one server gets at most.")
@click.option("--max-calls", type=click.IntRange(min=1), default=None, help="Begin no more episodes after so many calls.")
@click.option("--max-seconds", type=click.FloatRange(min=1), default=None, help="Begin nothing more after so long.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="Begin no more episodes after so many tokens.")
@click.option(
    "--price",
    type=(float, float),
    default=None,
    metavar="IN OUT",
    help="US dollars for a million tokens, in and out: the cost is then told.",
)
@click.option(
    "--session-calls", type=click.IntRange(min=2), default=30, show_default=True, help="Calls of one session at most."
)
@click.option("--walk-calls", type=click.IntRange(min=2), default=8, show_default=True, help="Calls of one walk at most.")
@click.option("--session-seconds", type=click.FloatRange(min=1), default=90, show_default=True, help="Seconds of one session.")
@click.option(
    "--start-seconds",
    type=click.FloatRange(min=1),
    default=180,
    show_default=True,
    help="Seconds that a server may take to start.",
)
@click.option(
    "--probes", type=click.IntRange(min=0), default=30, show_default=True, help="Sessions that settle effects at most."
)
@click.option(
    "--guidance",
    type=click.Choice(["guided", "random", "round-robin", "blind"]),
    default="guided",
    show_default=True,
    help="How the offline model chooses; the others are there to compare with.",
)
@click.option("--offline", is_flag=True, help="Cut the servers' network where the system can.")
@click.option("--allow-destructive", is_flag=True, help="Offer destructive tools of servers that cannot be sandboxed as well.")
@seed_files_option
@json_option
def command(
    store: Path,
    config: Path | None,
    servers: tuple[str, ...],
    episodes: int,
    seed: int,
    model: str,
    concurrency: int,
    per_server: int,
    live: int,
    rate: float | None,
    max_calls: int | None,
    max_seconds: float | None,
    max_tokens: int | None,
    price: tuple[float, float] | None,
    session_calls: int,
    walk_calls: int,
    session_seconds: float,
    start_seconds: float,
    probes: int,
    guidance: str,
    offline: bool,
    allow_destructive: bool,
    seed_files: Path | None,
    as_json: bool,
) -> None:
    """Explore servers and record everything.

    Each server runs in a sandbox of its own: a fresh HOME and working folder for every session. Useful sessions are observed a
    second time in fresh sandboxes. Interrupted, the same command goes on where it stopped.
    """
    import asyncio

    from firefly_agents.explorer import explore
    from firefly_agents.models import make_named_model
    from firefly_agents.progress import bar
    from firefly_agents.settings import OFFLINE, Budget, ExploreSettings
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording

    specs, seeds, rules = sources(config, servers, seed_files)
    if model != OFFLINE:
        make_named_model(model)  # says what is missing before a recording is made
    settings = ExploreSettings(
        episodes=episodes,
        seed=seed,
        model=model,
        guidance=guidance,
        concurrency=concurrency,
        per_server=per_server,
        live=live,
        walk_calls=walk_calls,
        rate=rate,
        budget=Budget(calls=session_calls, seconds=session_seconds, start_seconds=start_seconds),
        max_calls=max_calls,
        max_seconds=max_seconds,
        max_tokens=max_tokens,
        seeds=seeds,
        offline=offline,
        allow_destructive=allow_destructive,
        probing=probes,
        redaction=rules,
        price=price,
    )
    announce(specs)
    with Recording(store, create=True) as recording, bar() as progress:
        report = asyncio.run(explore(recording, specs, settings, progress=progress))
        index_quietly(recording)
    for name, reason in report.left_out.items():
        note(f"server {name!r} was left out: {reason}")
    if as_json:
        emit_json(report.to_json())
        return
    hidden = ("servers", "left_out", "failed", "by_server", "usage")
    shown = {key: value for key, value in report.to_json().items() if key not in hidden}
    table(["what", "count"], [("servers", len(report.servers)), *shown.items(), *report.usage.items()])
    if report.failed:
        table(["failed at", "sessions"], sorted(report.failed.items()))
