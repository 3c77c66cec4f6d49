"""``firefly export``: write tasks as training sets."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note


@click.command(name="export")
@store_option
@click.option("--format", "form", type=click.Choice(["verl", "chat"]), required=True, help="verl: Parquet; chat: JSON lines.")
@click.option(
    "--tasks", "tasks_file", type=click.Path(path_type=Path), default="tasks.jsonl", show_default=True, help="The tasks."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
@json_option
def command(store: Path, form: str, tasks_file: Path, out: Path, as_json: bool) -> None:
    """Write tasks as training sets, one file for each split.

    verl: rows for reinforcement learning. chat: conversations in which each plan is followed through the recording, its
    calls as tool_calls, for supervised training.
    """
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
