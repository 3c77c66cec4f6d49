"""``firefly export``: write a recording as a cassette, and tasks as training sets."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note


@click.command(name="export")
@store_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["cassette", "verl", "chat"]),
    required=True,
    help="cassette: the recording as JSON lines; verl: tasks as Parquet; chat: tasks as conversations in JSON lines.",
)
@click.option(
    "--tasks", "tasks_file", type=click.Path(path_type=Path), default="tasks.jsonl", show_default=True, help="The tasks."
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
@click.option("--without-replays", is_flag=True, help="Cassette: leave the log of replays out.")
@json_option
def command(
    store: Path,
    form: str,
    tasks_file: Path,
    out: Path,
    sessions: tuple[str, ...],
    servers: tuple[str, ...],
    tools: tuple[str, ...],
    calls: tuple[int, ...],
    without_replays: bool,
    as_json: bool,
) -> None:
    """Write a recording as a cassette, or tasks as training sets.

    cassette: one file of JSON lines that firefly import brings back as it was. A part of a recording brings along the calls
    that it rests on. verl: rows for reinforcement learning, one file for each split. chat: conversations in which each plan
    is followed through the recording, its calls as tool_calls, for supervised training.
    """
    if form == "cassette":
        written = _cassette(store, out, sessions, servers, tools, calls, without_replays)
        if as_json:
            emit_json(written)
        along = written["brought_along"]
        rest = f", {along:,} of them because others rest on them" if along else ""
        note(f"{out}: {written['sessions']:,} sessions, {written['calls']:,} calls{rest}")
        return
    _training_set(store, form, tasks_file, out, as_json)


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


def _training_set(store: Path, form: str, tasks_file: Path, out: Path, as_json: bool) -> None:
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks
    from firefly_train.dataset import export_chat, export_verl
    from firefly_train.demonstrations import demonstrate

    tasks = read_tasks(tasks_file)
    if form == "verl":
        written = export_verl(tasks, out)
    else:
        with Recording(store) as recording:
            written = export_chat(demonstrate(tasks, recording), out)
    if as_json:
        emit_json({"format": form, "splits": written, "out": str(out)})
    note(f"{sum(written.values())} tasks written to {out}: " + ", ".join(f"{n} {split}" for split, n in written.items()))
