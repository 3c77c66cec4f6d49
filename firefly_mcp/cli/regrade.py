"""``firefly regrade``: score stored rollouts again, without a model."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option
from firefly_mcp.cli.output import emit_json, note


@click.command(name="regrade")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--tasks", "tasks_file", type=click.Path(path_type=Path), metavar="FILE", help="Other labels for the same tasks.")
@json_option
def command(folder: Path, tasks_file: Path | None, as_json: bool) -> None:
    """Grade the rollouts of a benchmark run again, and write its results anew: no model is asked, nothing is replayed.

    DIR is the --out folder of firefly bench. A grader that was changed, or labels that were mended, are thus applied to what
    subjects have answered already.
    """
    from firefly_mcp.bench.results import regrade
    from firefly_mcp.bench.run_folder import RunFolder
    from firefly_mcp.cli.bench import show_scores
    from firefly_mcp.tasks.model import read_tasks

    report, changed = regrade(RunFolder.load(folder), None if tasks_file is None else read_tasks(tasks_file))
    if as_json:
        emit_json({**report, "regraded": changed})
        return
    show_scores(report)
    note(
        f"{changed['rollouts']} rollouts graded again: {changed['now_passed']} pass now, {changed['now_failed']} fail now,"
        f" {changed['other_reason']} fail for another reason"
    )
