"""``firefly run``: the whole pipeline, from real servers to proven tasks and a report."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.exploring import announce, seed_files_option, sources
from firefly_mcp.cli.options import json_option
from firefly_mcp.cli.output import emit_json, table
from firefly_mcp.errors import CheckError, ConfigError


@click.command(name="run")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="servers.json; none: the bundled offline servers."
)
@click.option("--server", "only", multiple=True, metavar="NAME", help="Only this server; may be repeated.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="out", show_default=True, help="Where results go."
)
@click.option(
    "--model", default="offline", show_default=True, metavar="NAME", help="Who explores: the built-in planner, or a model."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same servers: same exploration.")
@click.option("--episodes", type=click.IntRange(min=1), default=110, show_default=True, help="Explored sub-DAGs.")
@click.option("--concurrency", type=click.IntRange(min=1), default=3, show_default=True, help="Episodes at once.")
@click.option("--offline", is_flag=True, help="Cut the servers' network (Linux); their packages must be cached already.")
@seed_files_option
@json_option
def command(
    config: Path | None,
    only: tuple[str, ...],
    out: Path,
    model: str,
    seed: int,
    episodes: int,
    concurrency: int,
    offline: bool,
    seed_files: Path | None,
    as_json: bool,
) -> None:
    """Explore real MCP servers, synthesise tasks backward from what was observed, prove each one, and report.

    Interrupted, the same command goes on where it stopped. Exits with 1 when no task was proven.
    """
    import anyio

    from firefly_agents.pipeline import RunResult, run_pipeline
    from firefly_agents.progress import bar
    from firefly_agents.settings import ExploreSettings, Progress
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording

    specs, seeds, rules = sources(config, only, seed_files)
    settings = ExploreSettings(
        episodes=episodes,
        seed=seed,
        model=model,
        concurrency=concurrency,
        tour_rounds=2,  # tasks come of walks
        seeds=seeds,
        offline=offline,
        redaction=rules,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror})") from error
    announce(specs)

    async def run(progress: Progress) -> RunResult:
        return await run_pipeline(specs, out, settings, progress=progress)

    with bar() as progress:
        result = anyio.run(run, progress)
    with Recording(out / "firefly.db") as recording:
        index_quietly(recording)
    report = result.report
    if as_json:
        emit_json(report)
    else:
        _show(result.servers, report, out)
    if not report["admitted"]:
        raise CheckError(f"{out}: no task was proven; rejected by gate: {report['rejected'] or 'no candidate was found'}")


def _show(servers: list[dict[str, object]], report: dict[str, object], out: Path) -> None:
    rows = [
        (row["name"], row.get("tools"), row.get("calls"), row.get("successes"), row.get("tasks"), row.get("error", ""))
        for row in servers
    ]
    table(("server", "tools", "calls", "successful", "tasks", "*did not start"), rows)
    rejected = report["rejected"]
    assert isinstance(rejected, dict)
    click.echo("")
    click.echo(
        f"{report['admitted']} proven tasks of {report['candidates']} candidates, over {report['servers']} servers and"
        f" {report['calls']} recorded calls, in {report['seconds']} s"
    )
    if rejected:
        click.echo("rejected by gate: " + ", ".join(f"{gate} {count}" for gate, count in rejected.items()))
    click.echo(f"{out}/tasks.jsonl  {out}/firefly.db  {out}/report.json  {out}/report.html")
