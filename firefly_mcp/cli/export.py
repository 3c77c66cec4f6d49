"""``firefly export``: write a recording as a cassette, and tasks as training sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.errors import CheckError, UsageError

if TYPE_CHECKING:
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import Task


@click.command(name="export")
@store_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["cassette", "verl", "chat", "sharegpt", "hf"]),
    required=True,
    help="cassette: the recording as JSON lines; the others: tasks as Parquet or as conversations.",
)
@click.option(
    "--tasks",
    "tasks_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The tasks; tasks.jsonl, if not given. With cassette: cut these out, with all that proves them.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="Where to write: a cassette's file, or a folder.",
)
@click.option("--session", "sessions", multiple=True, metavar="ID|KEY", help="Cassette: only this session; may be repeated.")
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Cassette: only this server; may be repeated.")
@click.option("--tool", "tools", multiple=True, metavar="[SERVER/]NAME", help="Cassette: only this tool; may be repeated.")
@click.option("--call", "calls", multiple=True, type=int, metavar="ID", help="Cassette: only this call; may be repeated.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Cassette of tasks: choose so many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Cassette of tasks: which ones are chosen.")
@click.option("--title", default="Tasks of Firefly MCP", show_default=True, help="hf: the name on the data-set card.")
@click.option("--without-replays", is_flag=True, help="Cassette: leave the log of replays out.")
@json_option
def command(
    store: Path,
    form: str,
    tasks_file: Path | None,
    out: Path,
    sessions: tuple[str, ...],
    servers: tuple[str, ...],
    tools: tuple[str, ...],
    calls: tuple[int, ...],
    count: int | None,
    seed: int,
    title: str,
    without_replays: bool,
    as_json: bool,
) -> None:
    """Write a recording as a cassette, or tasks as training sets.

    cassette: one file of JSON lines that firefly import brings back as it was. A part of a recording brings along the calls
    that it rests on; with --tasks it is a folder with those tasks and exactly what they and their proofs need. verl: rows for
    reinforcement learning, one file for each split. chat and sharegpt: conversations in which each plan is followed through
    the recording, for supervised training. hf: a folder for the Hugging Face hub, Parquet and a data-set card.
    """
    if form == "cassette" and tasks_file is not None:
        if sessions or servers or tools or calls:
            raise UsageError("--tasks chooses the calls of the cassette; leave out --session, --server, --tool and --call")
        _sample(store, tasks_file, out, count, seed, as_json)
        return
    if form == "cassette":
        written = _cassette(store, out, sessions, servers, tools, calls, without_replays)
        if as_json:
            emit_json(written)
        along = written["brought_along"]
        rest = f", {along:,} of them because others rest on them" if along else ""
        note(f"{out}: {written['sessions']:,} sessions, {written['calls']:,} calls{rest}")
        return
    training_set(store, form, tasks_file or Path("tasks.jsonl"), out, title, as_json)


def _cassette(
    store: Path,
    out: Path,
    sessions: tuple[str, ...],
    servers: tuple[str, ...],
    tools: tuple[str, ...],
    calls: tuple[int, ...],
    without_replays: bool,
) -> dict[str, int]:
    from firefly_mcp.cli.filters import check_server, session_id, tool_keys
    from firefly_mcp.exchange.cassette import write_cassette
    from firefly_mcp.exchange.selection import Selection
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        for name in servers:
            check_server(recording, name)
        selection = Selection(
            sessions=frozenset(number for key in sessions if (number := session_id(recording, key)) is not None),
            servers=frozenset(servers),
            tools=frozenset(key for told in tools for key in tool_keys(recording, told)),
            calls=frozenset(calls),
            replays=not without_replays,
        )
        return write_cassette(recording, out, selection).to_json()


def _sample(store: Path, tasks_file: Path, out: Path, count: int | None, seed: int, as_json: bool) -> None:
    import tempfile

    import anyio

    from firefly_agents.synthesizer import prove
    from firefly_mcp.dataset.cut import Cutter
    from firefly_mcp.exchange.cassette import write_cassette
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks, write_tasks

    tasks = read_tasks(tasks_file)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        with Recording(store) as recording:
            part = Cutter(recording).cut(tasks, Path(folder) / "part.db", count=count, seed=seed, tell=note)
        with Recording(part.store) as recording:
            ledger = anyio.run(prove, part.tasks, recording).ledger
            if ledger.rejected:
                task = ledger.rejected[0]
                raise CheckError(f"{task.id}: the cassette does not prove it: {task.verdicts[-1].reason}")
            written = write_cassette(recording, out / "recording.jsonl.gz")
    write_tasks(out / "tasks.jsonl", ledger.admitted)
    size = (out / "recording.jsonl.gz").stat().st_size
    if as_json:
        emit_json({**written.to_json(), "tasks": len(ledger.admitted), "bytes": size, "replaced": part.replaced})
    note(f"{out}: {len(ledger.admitted)} tasks, all proven again by {written.calls:,} calls in {size / 1e6:.2f} MB")


def training_set(store: Path, form: str, tasks_file: Path, out: Path, title: str, as_json: bool) -> None:
    """Write tasks in one of the forms but the cassette's into a folder, and say how many of each split."""
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks
    from firefly_train.dataset import export_chat, export_verl
    from firefly_train.demonstrations import demonstrate
    from firefly_train.hub import export_hub
    from firefly_train.sharegpt import export_sharegpt

    tasks = read_tasks(tasks_file)
    if form == "verl":
        written = export_verl(tasks, out)
    else:
        with Recording.for_replay(store) as recording:
            shown = demonstrate(tasks, recording)
            if form == "chat":
                written = export_chat(shown, out)
            elif form == "sharegpt":
                written = export_sharegpt(shown, out)
            else:
                written = export_hub(shown, _card(tasks, recording, title), out)
    if as_json:
        emit_json({"format": form, "splits": written, "out": str(out)})
    note(f"{sum(written.values())} tasks written to {out}: " + ", ".join(f"{n} {split}" for split, n in written.items()))


def _card(tasks: list[Task], recording: Recording, title: str) -> str:
    from firefly_mcp.dataset.card import card
    from firefly_mcp.dataset.survey import survey

    found = survey(tasks, recording, briefly=True)
    return card(tasks, found.figures, found.servers, found.contamination, title=title)
