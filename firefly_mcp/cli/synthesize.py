"""``firefly synthesize``: write tasks backward from what was observed, prove each, and keep those that every gate admits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.errors import CheckError


@click.command(name="synthesize")
@store_option
@tasks_option
@click.option(
    "--model",
    default="offline",
    show_default=True,
    metavar="NAME",
    help="offline: the built-in grammar writes the requests. Else a model at OPENAI_BASE_URL (OPENAI_API_KEY) writes, judges"
    " and solves them.",
)
@click.option(
    "--count", type=click.IntRange(min=1), help="Keep at most so many tasks; all that every gate admits when left out."
)
@json_option
def command(store: Path, tasks_file: Path, model: str, count: int | None, as_json: bool) -> None:
    """Synthesise tasks from recorded sessions, prove them, and write the admitted ones.

    Tools and servers that were used least come first, and none has more than its share of a large set. Exits with 1 when no
    task is admitted. Rejected candidates stay in the recording with the gate that rejected them.
    """
    import anyio

    from firefly_agents.synthesizer import synthesize
    from firefly_agents.writers import OFFLINE, writer_named
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import write_tasks

    writer = asked = None
    if model != OFFLINE:
        from firefly_agents.model_gates import ModelGates

        writer, asked = writer_named(model), ModelGates(model)
    with Recording(store) as recording:
        synthesis = anyio.run(partial(synthesize, recording, count=count, writer=writer, asked=asked))
    summary = synthesis.ledger.summary()
    if as_json:
        emit_json(summary)
    if not summary["admitted"]:
        raise CheckError(f"{store}: no task was admitted; rejected by gate: {summary['rejected'] or 'no candidate was found'}")
    write_tasks(tasks_file, synthesis.ledger.admitted)
    note(f"{summary['admitted']} of {summary['candidates']} candidates admitted, written to {tasks_file}")
