"""``firefly neighbours``: record the calls beside proven plans, and tell how often such a call finds no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from firefly_mcp.cli.exploring import announce, sources
from firefly_mcp.cli.living import living_options, living_settings
from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, table

HELD_OUT = 7_919
"""What is added to the seed for the calls that the miss rate is measured with."""


@click.command(name="neighbours")
@store_option
@tasks_option
@click.option("--rate-only", is_flag=True, help="Record nothing; tell the miss rate alone.")
@click.option("--per-argument", type=click.IntRange(1, 20), default=1, show_default=True, help="Neighbours of each argument.")
@living_options
@json_option
def command(store: Path, tasks_file: Path, rate_only: bool, per_argument: int, as_json: bool, **told: Any) -> None:
    """Record what lies beside the plans of admitted tasks: each call with one argument changed to another plausible value.

    Then one such call for each plan is drawn by another seed and asked of replay: the share that finds no answer is the
    off-plan miss rate. Interrupted, the same command goes on where it stopped.
    """
    import asyncio

    from firefly_agents.composing.neighbouring import record_neighbours
    from firefly_agents.progress import bar
    from firefly_mcp.replay import ReplayPolicy
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks
    from firefly_mcp.tasks.neighbours import off_plan
    from firefly_mcp.tasks.proof import strict_replay

    tasks = read_tasks(tasks_file)
    report: dict[str, Any] = {}
    with Recording(store) as recording:
        if not rate_only:
            specs, seeds, rules = sources(told["config"], told["servers"], told["seed_files"])
            announce(specs)
            with bar() as progress:
                settings = living_settings(told, seeds, rules)
                recorded = record_neighbours(recording, specs, tasks, settings, per_argument=per_argument, progress=progress)
                report = asyncio.run(recorded)
            index_quietly(recording)
        strict = strict_replay(recording)
        rate = off_plan(tasks, recording, seed=told["seed"] + HELD_OUT, strict=strict, policy=ReplayPolicy())
    report |= rate.to_json()
    if as_json:
        emit_json(report)
        return
    table(["what", "count"], [(name, value) for name, value in report.items() if not isinstance(value, dict)])
