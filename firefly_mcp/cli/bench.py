"""``firefly bench``: score a subject on tasks through the replay proxy, compare runs, make a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note, table
from firefly_mcp.errors import UsageError
from firefly_mcp.types import MatchKind

if TYPE_CHECKING:
    from firefly_mcp.jsonio import JsonObject

_SUITES = ("heldout", "tau2", "mcpmark", "mcp-atlas")


@click.group(name="bench", invoke_without_command=True)
@store_option
@tasks_option
@click.option(
    "--model",
    metavar="NAME",
    help="oracle, shortcut, random, planner, a folder with a local model, or a model of OPENAI_BASE_URL.",
)
@click.option("--k", type=click.IntRange(min=1), default=1, show_default=True, help="Attempts per task.")
@click.option("--split", default="all", show_default=True, metavar="NAME", help="Only tasks of this split.")
@click.option("--suite", type=click.Choice(_SUITES), help="heldout: the tasks of all splits but train; or a known benchmark.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Only N tasks, drawn by --seed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the run here; an interrupted one goes on.",
)
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Attempts at once.")
@click.option("--max-calls", type=click.IntRange(min=1), default=24, show_default=True, help="Tool calls of an attempt.")
@click.option("--max-seconds", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds of an attempt.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens of an attempt, in and out.")
@click.option("--total-seconds", type=click.FloatRange(min=1), metavar="S", help="Begin no more attempts after so long.")
@click.option("--total-tokens", type=click.IntRange(min=1), metavar="N", help="Begin no more attempts after so many tokens.")
@click.option("--price", nargs=2, type=click.FloatRange(min=0), metavar="IN OUT", help="US dollars for a million tokens.")
@click.option("--temperature", type=click.FloatRange(min=0), metavar="T", help="Of a model's sampling.")
@click.option("--seed", type=int, metavar="N", help="Of a model's sampling (sent where given), and of --count.")
@click.option(
    "--match",
    type=click.Choice(["exact", "normalized", "semantic"]),
    default="normalized",
    show_default=True,
    help="Highest rung.",
)
@click.option(
    "--state", type=click.Choice(["strict", "lenient"]), default="strict", show_default=True, help="Answers of another state."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    store: Path,
    tasks_file: Path,
    model: str | None,
    k: int,
    split: str,
    suite: str | None,
    count: int | None,
    out: Path | None,
    concurrency: int,
    max_calls: int,
    max_seconds: float,
    max_tokens: int | None,
    total_seconds: float | None,
    total_tokens: int | None,
    price: tuple[float, float] | None,
    temperature: float | None,
    seed: int | None,
    match: str,
    state: str,
    as_json: bool,
) -> None:
    """Score a subject: pass@1, pass@k, pass^k with intervals, how its calls were answered, and why attempts failed.

    Every attempt is a session of its own in the recording. With --out the run is kept in a folder with its rollouts, figures,
    tables and a page to read; the same command goes on with an interrupted run.
    """
    if ctx.invoked_subcommand is not None:
        return
    if model is None:
        raise UsageError("--model NAME is missing: oracle, shortcut, random, planner, a folder, or a model of OPENAI_BASE_URL")
    import anyio

    from firefly_agents.bench.named import subject_named
    from firefly_agents.bench.runner import BenchSettings, bench
    from firefly_agents.bench.subjects import Limits
    from firefly_agents.bench.suites import check_suite, chosen_tasks, drawn
    from firefly_agents.progress import bar
    from firefly_mcp.bench.results import write_results
    from firefly_mcp.bench.run_folder import RunFolder
    from firefly_mcp.replay import ReplayPolicy
    from firefly_mcp.store.recording import Recording

    check_suite(suite)
    settings = BenchSettings(
        k=k,
        concurrency=concurrency,
        limits=Limits(max_calls, max_seconds, max_tokens),
        price=price or None,
        max_seconds=total_seconds,
        max_tokens=total_tokens,
    )
    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient")
    live = suite == "tau2"
    tasks = [] if live else chosen_tasks(tasks_file, suite=suite, split=split, count=count, seed=seed or 0)
    subject = subject_named(model, tasks, temperature=temperature, seed=seed)
    with Recording(store, create=True) if live else Recording.for_replay(store) as recording, bar() as progress:
        if recording.readonly:
            note(f"{store} cannot be written: rollouts are not kept in it")

        async def run() -> JsonObject:
            if live:
                from firefly_agents.bench.tau2 import bench_tau2

                return await bench_tau2(
                    recording,
                    subject,
                    settings,
                    choose=lambda all_of: drawn(all_of, count, seed or 0),
                    out=out,
                    progress=progress,
                )
            return await bench(tasks, recording, subject, settings, policy=policy, out=out, progress=progress)

        report = anyio.run(run)
    if out is not None:
        for path in write_results(RunFolder.load(out), report):
            note(f"wrote {path}")
    if report["rollouts_left"]:
        note(f"a budget ended the run with {report['rollouts_left']} attempts left; the same command with --out goes on")
    _tell(report, as_json)


@command.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare run B with run A (their --out folders), task by task: differences with 95% intervals."""
    from firefly_mcp.bench.compare import compare as compared
    from firefly_mcp.bench.run_folder import RunFolder

    found = compared(RunFolder.load(a), RunFolder.load(b))
    if as_json:
        emit_json(found)
        return
    sides = [("A", found["a"]["subject"], 100 * found["a"]["pass@1"]), ("B", found["b"]["subject"], 100 * found["b"]["pass@1"])]
    table(("run", "subject", "pass@1 %"), sides)
    click.echo("")
    rows = [("all", found["tasks"], *_difference(found))]
    for what in ("by_kind", "by_difficulty", "by_server"):
        rows += [(f"{what[3:]} {name}", group["tasks"], *_difference(group)) for name, group in found[what].items()]
    table(("tasks", "count", "B minus A", "95% interval"), rows)
    click.echo("")
    click.echo(
        f"B is better in {found['wins']} tasks, worse in {found['losses']}, equal in {found['ties']};"
        f" sign test p = {found['p']:.3g}"
    )
    if found["left_out"]:
        note(f"{found['left_out']} tasks are in one run only and were left out")
    others = [key for key in found["differs"] if key not in ("subject", "versions")]
    if others:
        note(f"the runs differ in more than their subject: {', '.join(others)}")


@command.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write here instead of to stdout.")
def leaderboard(results: tuple[Path, ...], out: Path | None) -> None:
    """A Markdown table for a README, the best first, from result files (bench.json, or folders of runs)."""
    from firefly_mcp.bench.run_folder import load_report
    from firefly_mcp.bench.tables import leaderboard as made

    shown = made(load_report(path) for path in results)
    if out is None:
        click.echo(shown, nl=False)
        return
    try:
        out.write_text(shown, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror})") from error
    note(f"wrote {out}")


def _tell(report: JsonObject, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    show_scores(report)


def show_scores(report: JsonObject) -> None:
    """Print the main figures of a report as tables."""
    low, high = report["interval"]
    scores = [(name, f"{100 * report[name]:.1f}%") for name in ("pass@1", "pass@k", "pass^k")]
    usage = report["usage"]
    rows = [
        ("subject", report["subject"]),
        ("tasks", report["tasks"]),
        ("attempts each", report["k"]),
        *scores,
        ("95% interval", f"{100 * low:.1f}% to {100 * high:.1f}%"),
        ("answered", _listed(report["by_match"])),
        ("misses", _listed(report["misses"]) or "none"),
        ("failures", _listed(report["failures"]) or "none"),
        ("calls an attempt", round(report["calls"]["mean"], 2)),
        *([("tokens an attempt", round(usage["tokens_per_rollout"], 1))] if usage["tokens_per_rollout"] else []),
        *([("cost", f"${usage['cost']:.4f}")] if "cost" in usage else []),
        ("seconds an attempt", round(report["timing"]["mean"], 3)),
    ]
    table(("what", "figure"), [(what, str(figure)) for what, figure in rows])


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _difference(found: JsonObject) -> tuple[str, str]:
    low, high = found["interval"]
    return f"{100 * found['difference']:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}"
