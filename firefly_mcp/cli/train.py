"""``firefly train``: verl GRPO on proven tasks, answered by the recording, with no server running."""

from __future__ import annotations

import time
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note


@click.command(name="train")
@store_option
@click.option(
    "--tasks", "tasks_file", type=click.Path(path_type=Path), default="tasks.jsonl", show_default=True, help="The tasks."
)
@click.option("--preset", default="smoke", show_default=True, metavar="NAME", help="Which settings; see docs/training.")
@click.option("--model", metavar="FOLDER", help="A Hugging Face model folder instead of the preset's model.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's folder.  [default: runs/train-TIME]")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--proxy", metavar="URL", help="A replay proxy that runs already, instead of one started for this run.")
@click.option("--warm-start-steps", type=click.IntRange(min=1), metavar="N", help="At most so many supervised steps first.")
@json_option
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="[-- VERL_OVERRIDE...]")
def command(
    store: Path,
    tasks_file: Path,
    preset: str,
    model: str | None,
    out: Path | None,
    seed: int,
    proxy: str | None,
    warm_start_steps: int | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train a policy with verl's own trainer; every tool call is answered by the recording over MCP.

    Writes run.json, the logs and the trained model into the run's folder. What follows -- goes to verl as it is, as in
    -- trainer.total_training_steps=2.
    """
    from firefly_train.launch import Order, train

    folder = out or Path("runs") / time.strftime("train-%Y%m%d-%H%M%S")
    order = Order(tasks_file, store, preset, folder, seed, model, proxy, warm_start_steps, overrides)
    result = train(order, note)
    if as_json:
        emit_json(result)
    before, after = result["heldout_before"], result["heldout_after"]
    rewards = [step["reward_mean"] for step in result["steps"]]
    note(f"reward {rewards[0]:.3f} -> {rewards[-1]:.3f} in {len(rewards)} steps; held out {_share(before)} -> {_share(after)}")
    note(f"{result['tool_calls']} tool calls, {sum(result['misses'].values())} misses; written to {folder}")


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
