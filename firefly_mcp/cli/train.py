"""``firefly train``: verl GRPO on proven tasks, answered by the recording, with no server running."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note
from firefly_mcp.types import MatchKind


class _DefaultsToRun(click.Group):
    """``firefly train OPTIONS`` is ``firefly train run OPTIONS``: training is what the command is for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(name="train", cls=_DefaultsToRun)
def command() -> None:
    """Train a policy with verl's own trainer, and look at the run."""


@command.command(name="run", epilog="firefly train report RUN makes a page of a run's folder.")
@store_option
@click.option(
    "--tasks", "tasks_file", type=click.Path(path_type=Path), default="tasks.jsonl", show_default=True, help="The tasks."
)
@click.option("--preset", default="smoke", show_default=True, metavar="NAME", help="Which settings; see docs/training.md.")
@click.option("--model", metavar="FOLDER", help="A Hugging Face model folder instead of the preset's model.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's folder.  [default: runs/train-TIME]")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with an interrupted run from its last checkpoint."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--proxy", metavar="URL", help="A replay proxy that runs already, instead of one started for this run.")
@click.option(
    "--most-tasks", type=click.IntRange(min=0), metavar="N", help="Only the N shortest tasks of each split; 0 for all."
)
@click.option("--warm-start-steps", type=click.IntRange(min=1), metavar="N", help="At most so many supervised steps first.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="KIND=W",
    help="What a right answer is worth if KIND is the worst match of its trajectory; may be repeated.  [default: 1 for all]",
)
@json_option
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="[-- VERL_OVERRIDE...]")
def run(
    store: Path,
    tasks_file: Path,
    preset: str,
    model: str | None,
    out: Path | None,
    resume: Path | None,
    seed: int,
    proxy: str | None,
    most_tasks: int | None,
    warm_start_steps: int | None,
    weights: tuple[str, ...],
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train a policy with verl's own trainer; every tool call is answered by the recording over MCP.

    Writes run.json, the logs, the curve and the trained model into the run's folder. What follows -- goes to verl as it is, as
    in -- trainer.total_training_steps=2.
    """
    from firefly_train import launch

    worth = tuple(_weight(told) for told in weights)
    if resume is not None:
        folder = resume
        result = launch.resume(resume, overrides, note)
    else:
        folder = out or Path("runs") / time.strftime("train-%Y%m%d-%H%M%S")
        order = launch.Order(
            tasks=tasks_file,
            store=store,
            preset=preset,
            out=folder,
            seed=seed,
            model=model,
            proxy=proxy,
            warm_start_steps=warm_start_steps,
            weights=worth,
            overrides=overrides,
            most_tasks=most_tasks,
        )
        result = launch.train(order, note)
    if as_json:
        emit_json(result)
    _tell(result, folder)


@command.command(name="report")
@click.argument("run_folder", type=click.Path(path_type=Path), metavar="RUN")
def report(run_folder: Path) -> None:
    """Make one HTML page of a run: curve, held-out figures, misses, trajectories, configuration."""
    from firefly_train.page import write_page

    note(f"written to {write_page(run_folder)}")


def _tell(result: dict[str, Any], folder: Path) -> None:
    rewards = [step["reward_mean"] for step in result["steps"]]
    before, after = _share(result["heldout_before"]), _share(result["heldout_after"])
    note(f"reward {rewards[0]:.3f} -> {rewards[-1]:.3f} in {len(rewards)} steps; held out {before} -> {after}")
    if result.get("replay_share") is not None:
        note(f"some trajectory waited for replay during {result['replay_share']:.1%} of the step time")
    note(f"{result['tool_calls']} tool calls, {sum(result['misses'].values())} misses; written to {folder}")


def _weight(told: str) -> tuple[str, float]:
    kind, _, value = told.partition("=")
    try:
        if kind not in list(MatchKind):
            raise ValueError
        return kind, float(value)
    except ValueError:
        raise click.BadParameter(
            f"{told!r} is not KIND=W, with KIND one of {', '.join(MatchKind)} and W a number", param_hint="--weight"
        ) from None


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
