"""``firefly bench``: score a subject on tasks through the replay proxy."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option, tasks_option
from firefly_mcp.cli.output import emit_json, note, table


@click.command(name="bench")
@store_option
@tasks_option
@click.option("--model", required=True, metavar="NAME", help="oracle, shortcut, random, or a model of OPENAI_BASE_URL.")
@click.option("--k", type=click.IntRange(min=1), default=1, show_default=True, help="Attempts per task.")
@click.option("--split", type=click.Choice(["all", "train", "test"]), default="all", show_default=True, help="Which tasks.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write bench.json with every rollout here.")
@json_option
def command(store: Path, tasks_file: Path, model: str, k: int, split: str, out: Path | None, as_json: bool) -> None:
    """Score a subject: pass@1, pass@k, pass^k with an interval, and how its calls were answered."""
    import anyio

    from firefly_agents.bench.runner import bench
    from firefly_agents.bench.subjects import ModelSubject, Oracle, Random, Shortcut, Subject
    from firefly_mcp.jsonio import JsonObject, dumps
    from firefly_mcp.store.recording import Recording
    from firefly_mcp.tasks.model import read_tasks

    tasks = [task for task in read_tasks(tasks_file) if split in ("all", task.split)]
    subject: Subject
    if model == "oracle":
        subject = Oracle()
    elif model == "shortcut":
        subject = Shortcut(tasks)
    elif model == "random":
        subject = Random()
    else:
        from firefly_agents.models import make_named_model

        subject = ModelSubject(model, make_named_model(model))

    async def run(recording: Recording) -> JsonObject:
        return await bench(tasks, recording, subject, k=k)

    with Recording(store) as recording:
        report = anyio.run(run, recording)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "bench.json").write_bytes(dumps(report))
        note(f"wrote {out / 'bench.json'}")
    if as_json:
        emit_json(report)
        return
    low, high = report["interval"]
    scores = [(name, f"{100 * report[name]:.1f}%") for name in ("pass@1", "pass@k", "pass^k")]
    shown = [("subject", subject.name), ("tasks", len(tasks)), ("attempts each", k), *scores]
    table(
        ("what", "figure"),
        [*shown, ("95% interval", f"{100 * low:.1f}% to {100 * high:.1f}%"), ("answered", report["by_match"])],
    )
