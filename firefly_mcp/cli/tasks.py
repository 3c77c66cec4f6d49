"""``firefly tasks``: list tasks, show one with its plan, evidence and verdicts, check a set's splits, unpack the sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.errors import CheckError, UsageError

if TYPE_CHECKING:
    from firefly_mcp.tasks.gates import Observed
    from firefly_mcp.tasks.model import Task


@click.group(name="tasks")
def command() -> None:
    """Look at tasks."""


@command.command(name="list")
@tasks_option
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Only tasks that use this server; may be repeated.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only tasks of this kind; may be repeated.")
@click.option("--split", "splits", multiple=True, metavar="SPLIT", help="Only tasks of this split; may be repeated.")
@click.option("--difficulty", "levels", multiple=True, metavar="LEVEL", help="Only tasks of this difficulty; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=None, metavar="N", help="At most so many.")
@json_option
def list_tasks(
    tasks_file: Path,
    servers: tuple[str, ...],
    kinds: tuple[str, ...],
    splits: tuple[str, ...],
    levels: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> None:
    """List tasks: id, kind, difficulty, servers, calls, split, request."""
    from firefly_mcp.tasks.model import read_tasks

    everything = read_tasks(tasks_file)
    known: dict[str, set[str]] = {
        "--server": {server for task in everything for server in task.servers},
        "--kind": {task.kind for task in everything},
        "--split": {task.split for task in everything},
        "--difficulty": {task.difficulty for task in everything},
    }
    for option, asked in (("--server", servers), ("--kind", kinds), ("--split", splits), ("--difficulty", levels)):
        for name in asked:
            if name not in known[option]:
                raise UsageError(f"{option} {name}: {tasks_file} has none; it has {', '.join(sorted(known[option]))}")
    found = [
        task
        for task in everything
        if (not servers or set(servers) & set(task.servers))
        and (not kinds or task.kind in kinds)
        and (not splits or task.split in splits)
        and (not levels or task.difficulty in levels)
    ][:limit]
    if as_json:
        emit_json([task.model_dump(mode="json", by_alias=True) for task in found])
        return
    rows = [
        (task.id, task.kind, task.difficulty, ", ".join(task.servers), len(task.plan), task.split, task.request)
        for task in found
    ]
    table(("id", "kind", "difficulty", "servers", "calls", "split", "*request"), rows)


@command.command(name="show")
@click.argument("task_id")
@tasks_option
@store_option
@json_option
def show(task_id: str, tasks_file: Path, store: Path, as_json: bool) -> None:
    """Show one task for a person: request, plan, what was recorded, answer, verdicts.

    The beginning of an id will do. Results are shown where the task's recording is found.
    """
    from firefly_mcp.report.task_text import task_lines
    from firefly_mcp.tasks.model import read_tasks

    found = [task for task in read_tasks(tasks_file) if task.id.startswith(task_id)]
    exact = [task for task in found if task.id == task_id] or found
    if not exact:
        raise UsageError(f"{tasks_file}: no task {task_id}; see 'firefly tasks list --tasks {tasks_file}'")
    if len(exact) > 1:
        raise UsageError(f"{tasks_file}: {len(exact)} tasks begin with {task_id}: {', '.join(task.id for task in exact[:4])} …")
    task = exact[0]
    if as_json:
        emit_json(task.model_dump(mode="json", by_alias=True))
        return
    click.echo("\n".join(plain(line) for line in task_lines(task, _recorded(task, store))))


def _recorded(task: Task, store: Path) -> Observed | None:
    """The task's plan as its recording answers it; None, and a note, where that is not at hand."""
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.gates import PlanBrokenError, observe
    from firefly_mcp.tasks.proof import strict_replay

    if not store.exists():
        note(f"{store}: is not there, so no results are shown; name the recording with --store")
        return None
    recording = Recording.for_replay(store)  # stays open for as long as its results are shown
    if recording.id != task.recording.id:
        note(f"{store}: is not the recording that proves this task, so no results are shown; name that one with --store")
        return None
    try:
        return observe(task, strict_replay(recording))
    except PlanBrokenError as error:
        note(f"{store}: the plan cannot be followed, so no results are shown: {error}")
        return None


@command.command(name="check")
@tasks_option
@store_option
@json_option
def check(tasks_file: Path, store: Path, as_json: bool) -> None:
    """Check that splits share nothing: no plan, near-duplicate request, answering call or held-out family.

    Exits with 1 when they do. Neither file is changed.
    """
    from firefly_mcp.dataset.contamination import contamination
    from firefly_mcp.dataset.division import families_of
    from firefly_mcp.dataset.traits import traits_of
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks
    from firefly_mcp.tasks.proof import strict_replay

    tasks = read_tasks(tasks_file)
    with Recording.for_replay(store) as recording:
        traits = traits_of(tasks, strict_replay(recording), families_of(recording))
    found = contamination(traits, {task.id: task.split for task in tasks})
    if as_json:
        emit_json(found.to_json())
    else:
        _tell(found.splits, found.shared, found.families)
    for line in found.examples:
        note(line)
    if not found.clean:
        raise CheckError(f"{tasks_file}: its splits are contaminated")


def _tell(splits: dict[str, int], shared: dict[str, int], families: Sequence[str]) -> None:
    table(("split", "tasks"), sorted(splits.items()))
    click.echo("")
    rows = [*((name.replace("_", " "), count) for name, count in shared.items()), ("held-out families", len(families))]
    table(("shared between splits", "number"), rows)


@command.command(name="split")
@tasks_option
@store_option
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where the tasks go.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed holds out other families and sub-DAGs.")
@json_option
def split(tasks_file: Path, store: Path, out: Path, seed: int, as_json: bool) -> None:
    """Give tasks their splits anew: train, test (new sub-DAGs and values), test_server (new families of servers).

    'firefly synthesize' does so by itself. Tasks that would be in the way of a clean split are left out, and counted.
    """
    from firefly_mcp.dataset.division import divide
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks, write_tasks
    from firefly_mcp.tasks.proof import Ledger

    with Recording.for_replay(store) as recording:
        ledger = Ledger(admitted=read_tasks(tasks_file))
        found = divide(ledger, recording, seed=seed).to_json()
    write_tasks(out, ledger.admitted)
    if as_json:
        emit_json(found)
    note(f"{out}: " + ", ".join(f"{count} {name}" for name, count in found["splits"].items()))
    for why, count in found["dropped"].items():
        note(f"left out: {count}, {why}")


@command.command(name="figures")
@tasks_option
@store_option
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a page in Markdown.")
@click.option("--title", default="The data set", show_default=True, help="The page's heading.")
@click.option("--note", "told", default="", metavar="TEXT", help="A paragraph for the page: where it was made, and when.")
@json_option
def figures(tasks_file: Path, store: Path, out: Path | None, title: str, told: str, as_json: bool) -> None:
    """Count a data set: kinds, gates, splits, servers, shares, wording, and how often replay misses beside a plan."""
    from firefly_mcp.dataset.card import measures
    from firefly_mcp.dataset.page import page
    from firefly_mcp.dataset.survey import survey
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks

    tasks = read_tasks(tasks_file)
    with Recording.for_replay(store) as recording:
        found = survey(tasks, recording)
    if out is not None:
        out.write_text(page(found, title=title, note=told), encoding="utf-8")
        note(f"{out}: written")
    if as_json:
        emit_json(found.to_json())
    elif out is None:
        table(("", ""), [*measures(found.figures), ("off-plan misses", f"{found.off_plan['off_plan_miss_rate']:.1%}")])


@command.command(name="sample")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="sample", show_default=True, metavar="DIR")
@json_option
def sample(out: Path, as_json: bool) -> None:
    """Unpack the tasks that come with Firefly, and the part of a recording that proves them.

    Writes DIR/tasks.jsonl and DIR/firefly.db, for verify, serve, train and bench; nothing needs a network.
    """
    from firefly_mcp.data import unpack_sample

    tasks, store, count = unpack_sample(out)
    if as_json:
        emit_json({"tasks": str(tasks), "store": str(store), "count": count})
    note(f"{count} tasks: {tasks}; their recording: {store}")
