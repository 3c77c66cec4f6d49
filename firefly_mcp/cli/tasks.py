"""``firefly tasks``: list tasks, and show one with its plan, evidence and verdicts."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, tasks_option
from firefly_mcp.cli.output import emit_json, plain, table
from firefly_mcp.errors import UsageError


@click.group(name="tasks")
def command() -> None:
    """Look at tasks."""


@command.command(name="list")
@tasks_option
@json_option
def list_tasks(tasks_file: Path, as_json: bool) -> None:
    """List tasks: id, difficulty, servers, calls, request."""
    from firefly_mcp.tasks.model import read_tasks

    tasks = read_tasks(tasks_file)
    if as_json:
        emit_json([task.model_dump(mode="json", by_alias=True) for task in tasks])
        return
    rows = [(task.id, task.difficulty, ", ".join(task.servers), len(task.plan), task.split, task.request) for task in tasks]
    table(("id", "difficulty", "servers", "calls", "split", "*request"), rows)


@command.command(name="show")
@click.argument("task_id")
@tasks_option
@json_option
def show(task_id: str, tasks_file: Path, as_json: bool) -> None:
    """Show one task for a person: request, plan, evidence, answer, verdicts."""
    from firefly_mcp.jsonio import text
    from firefly_mcp.tasks.model import read_tasks

    task = next((task for task in read_tasks(tasks_file) if task.id == task_id), None)
    if task is None:
        raise UsageError(f"{tasks_file}: no task {task_id}; see 'firefly tasks list --tasks {tasks_file}'")
    if as_json:
        emit_json(task.model_dump(mode="json", by_alias=True))
        return
    lines = [f"{task.id}  {task.difficulty}, {task.split}, as of {task.now}", "", task.request, "", "Plan"]
    for node in task.plan:
        lines.append(f"  {node.id}  {node.server}/{node.tool} {text(node.arguments)}")
        lines += [f"      {binding.argument} from {binding.source}: {text(binding.select)}" for binding in node.bindings]
    lines += ["", "Answer"]
    for name, proof in task.evidence.items():
        lines.append(f"  {name} = {text(task.answer[name])}   proven by {proof.node}: {text(proof.select)}")
    lines += ["", "Verdicts"]
    lines += [f"  {'passed' if verdict.passed else 'FAILED'}  {verdict.gate}: {verdict.reason}" for verdict in task.verdicts]
    click.echo("\n".join(plain(line) for line in lines))
