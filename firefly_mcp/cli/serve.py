"""``firefly serve``: offer tasks to any MCP client, answered from the recording."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from firefly_mcp.cli.options import match_option, state_option, store_option, tasks_option
from firefly_mcp.cli.output import note
from firefly_mcp.errors import UsageError
from firefly_mcp.types import MatchKind


@click.command(name="serve")
@store_option
@tasks_option
@click.option("--http", "http", metavar="[HOST:]PORT", help="Serve every task at /tasks/ID/mcp; 0 is any free port.")
@click.option("--task", "task_id", metavar="ID", help="Without --http: serve this one task on standard streams.")
@click.option("--blind", is_flag=True, help="Only acknowledge answers; their reward is in the results alone.")
@click.option("--calls", type=click.IntRange(min=1), default=50, show_default=True, help="Tool calls of one session.")
@click.option(
    "--seconds", type=click.FloatRange(min=1, max=86400), default=600.0, show_default=True, help="Seconds of one session."
)
@click.option(
    "--results",
    "results_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default="results.jsonl",
    show_default=True,
    metavar="FILE",
    help="Append what came of each session here, a JSON object a line.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the order of tasks handed out and of tools listed.")
@click.option("--split", metavar="NAME", help="Serve only the tasks of this split.")
@match_option
@click.option(
    "--embedder",
    default="hashing",
    show_default=True,
    metavar="NAME|FOLDER",
    help="What ranks free text with --match semantic; see 'firefly replay --help'.",
)
@state_option
@click.option("--provenance", is_flag=True, help="Let subjects see in _meta how each call was answered.")
@click.option("--token", metavar="TOKEN", help="Demand this bearer token of subjects.")
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="Accept this Host header beside loopback's.")
@click.option(
    "--control",
    metavar="[HOST:]PORT",
    default="0",
    help="With --http: where results, reset and seed are to be had; any free port of loopback by default.",
)
@click.option(
    "--control-token",
    envvar="FIREFLY_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="The bearer token of the control endpoint; drawn and printed by default.",
)
def command(
    store: Path,
    tasks_file: Path,
    http: str | None,
    task_id: str | None,
    blind: bool,
    calls: int,
    seconds: float,
    results_file: Path,
    seed: int,
    split: str | None,
    match: str,
    embedder: str,
    state: str,
    provenance: bool,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    control: str,
    control_token: str | None,
) -> None:
    """Offer tasks to any MCP client: the request as a prompt and a resource, the tools, and submit_answer.

    With --http, GET /tasks lists tasks, POST /sessions opens sessions, and results are at the control endpoint. Without it, one
    task is served on standard streams.
    """
    from firefly_mcp.replay import ReplayPolicy
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks
    from firefly_proxies.embedders import embedder_named
    from firefly_proxies.replay import ReplayFactory
    from firefly_proxies.serve import parse_address, run
    from firefly_proxies.task_desk import TaskDesk
    from firefly_proxies.task_results import ResultsFile
    from firefly_proxies.task_serving import Addresses, serve_task_stdio, serve_tasks_http
    from firefly_proxies.task_session import Limits

    tasks = [task for task in read_tasks(tasks_file) if split in (None, task.split)]
    if http is None:
        tasks = [task for task in tasks if task.id == task_id]
        if task_id is None:
            raise UsageError("give --http PORT to serve all tasks, or --task ID to serve one on standard streams")
        if not tasks:
            raise UsageError(f"{tasks_file}: no task {task_id}; see 'firefly tasks list --tasks {tasks_file}'")
    elif task_id is not None:
        raise UsageError("--task serves one task on standard streams; with --http all are served, each at its own path")
    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient")
    with Recording.for_replay(store) as recording, ResultsFile(results_file) as results:
        if recording.readonly:
            note(f"{store} cannot be written: calls are kept in {results_file} alone")
        ranks = embedder_named(embedder) if policy.allows(MatchKind.SEMANTIC) else None
        factory = ReplayFactory(recording, policy, log=not recording.readonly, embedder=ranks)
        limits = Limits(calls, seconds)
        desk = TaskDesk(factory, tasks, limits=limits, seed=seed, provenance=provenance, keep=results.keep, trajectories=False)
        if http is None:
            run(serve_task_stdio(desk, str(task_id), blind=blind))
            return
        drawn = control_token or secrets.token_urlsafe(24)

        def ready(url: str, control_url: str) -> None:
            shown = "the token that was given" if control_token else f"token {drawn}"
            note(f"results are appended to {results_file}")
            note(f"control at {control_url}, {shown}")
            note(f"listening on {url}")

        addresses = Addresses(parse_address(http), parse_address(control), tuple(allowed_hosts), token, drawn)
        run(serve_tasks_http(desk, addresses, blind=blind, on_ready=ready))
