"""``firefly verify``: ask every gate of every task again, from tasks and recording alone."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.errors import CheckError


@click.command(name="verify")
@store_option
@tasks_option
@json_option
def command(store: Path, tasks_file: Path, as_json: bool) -> None:
    """Prove tasks again on this machine, offline: pure gates, then two executions by an MCP client against replay.

    Exits with 1 when a task is no longer admitted. Neither file is changed.
    """
    import anyio

    from firefly_agents.synthesizer import prove
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks

    tasks = read_tasks(tasks_file)
    if not tasks:
        raise CheckError(f"{tasks_file}: holds no tasks")
    with Recording(store) as recording:
        synthesis = anyio.run(prove, tasks, recording)
    summary = synthesis.ledger.summary()
    if as_json:
        emit_json(summary)
    for task in synthesis.ledger.rejected:
        note(f"{task.id}: {task.verdicts[-1].gate}: {task.verdicts[-1].reason}")
    note(f"{summary['admitted']} of {summary['candidates']} tasks admitted")
    if synthesis.ledger.rejected:
        raise CheckError(f"{tasks_file}: {len(synthesis.ledger.rejected)} of {len(tasks)} tasks are not admitted")
