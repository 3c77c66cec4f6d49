"""``firefly verify``: ask every gate of every task again, from tasks and recording alone, or on the real servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from firefly_mcp.cli.exploring import announce, seed_files_option, sources
from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.errors import CheckError, DriftError, UsageError

if TYPE_CHECKING:
    from firefly_agents.live_proof import LiveProof
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import Task


@click.command(name="verify")
@store_option
@tasks_option
@click.option("--live", is_flag=True, help="Run the plans on the real servers of --config now, in fresh sandboxes.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The servers for --live, as the desktop clients write them (mcpServers). Without it: the bundled offline servers.",
)
@seed_files_option
@click.option("--concurrency", type=click.IntRange(1, 64), default=3, show_default=True, help="Plans run live at once.")
@click.option(
    "--model",
    metavar="NAME",
    help="Ask a model at OPENAI_BASE_URL (OPENAI_API_KEY) as well: as judge of the request, and as solver.",
)
@json_option
def command(
    store: Path,
    tasks_file: Path,
    live: bool,
    config: Path | None,
    seed_files: Path | None,
    concurrency: int,
    model: str | None,
    as_json: bool,
) -> None:
    """Prove tasks again on this machine, offline: pure gates, then two executions by an MCP client against replay.

    Exits with 1 when a task is no longer admitted. With --live the plans are then run on the real servers, and it exits with 3
    when one no longer gives its label. Neither file is changed.
    """
    import anyio

    from firefly_agents.proving import prove
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks

    if config is not None and not live:
        raise UsageError("--config is for --live: without it nothing but the recording is asked")
    tasks = read_tasks(tasks_file)
    if not tasks:
        raise CheckError(f"{tasks_file}: holds no tasks")
    asked = None
    if model is not None:
        from firefly_agents.model_gates import ModelGates

        asked = ModelGates(model)
    with Recording(store) as recording:
        synthesis = anyio.run(lambda: prove(tasks, recording, asked=asked))
        proof = _lived(tasks, recording, config, seed_files, concurrency) if live else None
    summary = synthesis.ledger.summary()
    if as_json:
        emit_json(summary if proof is None else {**summary, "live": proof.summary()})
    for task in synthesis.ledger.rejected:
        note(f"{task.id}: {task.verdicts[-1].gate}: {task.verdicts[-1].reason}")
    note(f"{summary['admitted']} of {summary['candidates']} tasks admitted")
    if proof is not None:
        _tell(proof, tasks_file)
    if synthesis.ledger.rejected:
        raise CheckError(f"{tasks_file}: {len(synthesis.ledger.rejected)} of {len(tasks)} tasks are not admitted")


def _lived(
    tasks: list[Task], recording: Recording, config: Path | None, seed_files: Path | None, concurrency: int
) -> LiveProof:
    import asyncio

    from firefly_agents.live_proof import live_gate
    from firefly_agents.progress import bar
    from firefly_agents.settings import ExploreSettings
    from firefly_mcp.state.learn import learn_effects

    specs, seeds, rules = sources(config, (), seed_files)
    needed = {name for task in tasks for name in task.servers}
    announce({name: spec for name, spec in specs.items() if name in needed})
    settings = ExploreSettings(concurrency=concurrency, seeds=seeds, redaction=rules)
    with bar() as progress:
        return asyncio.run(live_gate(tasks, specs, learn_effects(recording), settings, progress=progress))


def _tell(proof: LiveProof, tasks_file: Path) -> None:
    """Say what the servers gave.

    Raises:
        DriftError: a label has drifted.
        CheckError: a server could not be asked.
    """
    for task in proof.drifted:
        note(f"{task.id}: live: {task.verdicts[-1].reason}")
    for task_id, why in proof.unreached.items():
        note(f"{task_id}: live: could not be asked: {why}")
    note(f"{len(proof.tasks) - len(proof.drifted)} of {len(proof.tasks)} labels are what the servers give now")
    if proof.drifted:
        raise DriftError(f"{tasks_file}: {len(proof.drifted)} of {len(proof.tasks)} labels have drifted")
    if proof.unreached:
        raise CheckError(f"{tasks_file}: the servers of {len(proof.unreached)} tasks could not be asked")
