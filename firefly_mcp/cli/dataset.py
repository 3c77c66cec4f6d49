"""``firefly dataset``: from servers, or from a recording of them, to a proven data set with its card, in one command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firefly_mcp.cli.exploring import announce, sources
from firefly_mcp.cli.living import living_options, living_settings
from firefly_mcp.cli.options import json_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.errors import CheckError, ConfigError, UsageError

if TYPE_CHECKING:
    from firefly_agents.settings import ExploreSettings, Progress
    from firefly_mcp.servers.config import ServerSpec
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import Task

FORMS = ("verl", "chat", "sharegpt", "hf")


@click.command(name="dataset")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="dataset",
    show_default=True,
    help="Where all of it goes.",
)
@click.option(
    "--store", type=click.Path(path_type=Path), metavar="FILE", help="A recording to go on from; else OUT/firefly.db."
)
@click.option("--count", type=click.IntRange(min=1), default=None, help="Keep at most so many tasks.")
@click.option(
    "--episodes", type=click.IntRange(min=1), default=3000, show_default=True, help="Explored, where there is nothing."
)
@click.option("--stateful", type=click.IntRange(min=0), default=400, show_default=True, help="Composed sessions of writes.")
@click.option("--crossing", type=click.IntRange(min=0), default=300, show_default=True, help="Composed across servers.")
@click.option("--lone", type=click.IntRange(min=0), default=400, show_default=True, help="Composed for tools not proven yet.")
@click.option("--no-live", is_flag=True, help="Start no server: only synthesise, prove and export what is recorded.")
@click.option("--title", default="Tasks of Firefly MCP", show_default=True, help="The name on the card.")
@living_options
@json_option
def command(out: Path, store: Path | None, no_live: bool, title: str, as_json: bool, **told: Any) -> None:
    """Explore servers, compose sessions, synthesise and prove tasks, record their neighbours, and write the data set.

    Each live stage is bounded by --max-seconds and goes on where it stopped. Left in OUT: tasks.jsonl, dataset.json (figures of
    every stage), and the exports verl, chat, sharegpt and hf with its card.
    """
    import asyncio

    from firefly_agents.progress import bar
    from firefly_mcp.cli.export import training_set
    from firefly_mcp.jsonio import dumps
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import write_tasks

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror})") from error
    store = store or out / "firefly.db"
    if no_live and not store.exists():
        raise UsageError(f"--no-live: there is no recording at {store}")
    specs, seeds, rules = sources(told["config"], told["servers"], told["seed_files"])
    settings = living_settings(told, seeds, rules)
    if not no_live:
        announce(specs)
    report: dict[str, Any] = {}
    with Recording(store, create=True) as recording, bar() as progress:
        stages = _Stages(recording, specs, settings, told, progress, report)
        if not no_live:
            asyncio.run(stages.live())
        tasks = asyncio.run(stages.tasks(live=not no_live))
    if not tasks:
        raise CheckError(f"{store}: no task was admitted; rejected by gate: {report['synthesize']['rejected']}")
    write_tasks(out / "tasks.jsonl", tasks)
    for form in FORMS:
        training_set(store, form, out / "tasks.jsonl", out / form, title, False)
    (out / "dataset.json").write_bytes(dumps(report))
    if as_json:
        emit_json(report)
    note(f"{len(tasks)} tasks in {out}, {report['neighbours']['off_plan_miss_rate']:.0%} of calls beside a plan miss")


class _Stages:
    """The stages of one data set, each with its figures in the report."""

    def __init__(
        self,
        recording: Recording,
        specs: dict[str, ServerSpec],
        settings: ExploreSettings,
        told: dict[str, Any],
        progress: Progress,
        report: dict[str, Any],
    ) -> None:
        self.recording = recording
        self.specs = specs
        self.settings = settings
        self.told = told
        self.progress = progress
        self.report = report

    async def live(self) -> None:
        """Explore where nothing was explored yet; compose."""
        from dataclasses import replace

        from firefly_agents.composing.composer import ComposeSettings, compose_sessions
        from firefly_agents.explorer import explore
        from firefly_mcp.store import queries
        from firefly_mcp.types import SessionKind

        if not queries.sessions(self.recording, kind=SessionKind.EXPLORE):
            settings = replace(self.settings, episodes=self.told["episodes"])
            explored = await explore(self.recording, self.specs, settings, progress=self.progress)
            self.report["explore"] = explored.to_json()
        counts = {kind: self.told[kind] for kind in ("stateful", "crossing", "lone")}
        composing = ComposeSettings(sessions=counts, explore=self.settings)
        composed = await compose_sessions(self.recording, self.specs, composing, progress=self.progress)
        self.report["compose"] = composed.to_json()

    async def tasks(self, *, live: bool) -> list[Task]:
        """Synthesise and prove; record neighbours, and prove again what was recorded meanwhile."""
        import itertools

        from firefly_agents.composing.neighbouring import record_neighbours
        from firefly_agents.synthesizer import prove, synthesize
        from firefly_mcp.cli.neighbours import HELD_OUT
        from firefly_mcp.graph.store import build_from, is_current, write_graph
        from firefly_mcp.replay import ReplayPolicy
        from firefly_mcp.replay.indexing import index_quietly
        from firefly_mcp.tasks.neighbours import off_plan
        from firefly_mcp.tasks.proof import strict_replay

        recording, began = self.recording, time.monotonic()
        if not is_current(recording):
            write_graph(recording, build_from(recording, seed=self.settings.seed))
        index_quietly(recording)
        done = itertools.count(1)
        count = self.told["count"]
        synthesis = await synthesize(recording, count=count, progress=lambda: self.progress("prove", next(done), count or 0))
        self.report["synthesize"] = synthesis.ledger.summary() | {"seconds": round(time.monotonic() - began, 1)}
        tasks = synthesis.ledger.admitted
        beside: dict[str, Any] = {}
        if live and tasks:
            beside = await record_neighbours(recording, self.specs, tasks, self.settings, progress=self.progress)
            index_quietly(recording)
            # What was recorded since is evidence too: a task that it speaks against is left out.
            again = await prove([task.model_copy(update={"verdicts": []}) for task in tasks], recording)
            kept = {task.id for task in again.ledger.admitted}
            beside["tasks_fallen"] = len(tasks) - len(kept)
            tasks = [task for task in again.ledger.admitted if task.id in kept]
        strict = strict_replay(recording)
        seed = self.settings.seed + HELD_OUT
        self.report["neighbours"] = (
            beside | off_plan(tasks, recording, seed=seed, strict=strict, policy=ReplayPolicy()).to_json()
        )
        self.report["tasks"] = len(tasks)
        return tasks
