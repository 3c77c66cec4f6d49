"""Does training through the recording teach a model anything that holds on other tasks?

    python -m benchmarks.train_study --out runs/study --seeds 3 --jobs 2
    python -m benchmarks.train_study --tasks tasks.jsonl --store firefly.db --out runs/study

From one warm-started checkpoint three arms are trained for the same CPU seconds: GRPO; GRPO with its rewards shuffled among the
trajectories of a step; and more of the supervised steps that made the checkpoint. All are scored on the same held-out tasks, by
the same sampled attempts. Stopped in the middle, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.train_study import packed
from benchmarks.train_study.arm import ARMS
from benchmarks.train_study.bundled import unpack
from benchmarks.train_study.folder import TOLD, scored
from benchmarks.train_study.prepare import prepare
from benchmarks.train_study.progress import say
from benchmarks.train_study.rewarded import reward
from benchmarks.train_study.table import line, table
from firefly_mcp.errors import UsageError


def run_arms(options: argparse.Namespace) -> None:
    """Run the arms that have no result yet, some at the same time."""

    started: dict[tuple[str, int], Future[None]] = {}

    def one(arm: str, seed: int) -> None:
        if arm == "supervised":
            started["grpo", seed].result()  # whose CPU seconds the supervised steps get
        out = options.out / (arm if arm == "warm" else f"{arm}-{seed}")
        if scored(out):
            return
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.train_study.arm", str(options.out), arm, "--seed", str(seed)]
        with (out / "arm.log").open("ab") as log:
            ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        say(f"{arm} {seed}: " + ("done" if ended.returncode == 0 else f"failed, see {out / 'arm.log'}"))

    with ThreadPoolExecutor(options.jobs) as pool:
        for arm, seed in [("warm", 0), *product(ARMS, range(1, options.seeds + 1))]:
            started[arm, seed] = pool.submit(one, arm, seed)
        for job in started.values():
            job.result()


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, help="with --store; the set that comes with the study when left out")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--from", type=Path, dest="packed", nargs="?", const=packed.FOLDER, help="begin with a packed study's checkpoint"
    )
    parser.add_argument("--scored", action="store_true", help="with --from: keep the arms that are scored there")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="arms trained at the same time, no more than there are cores")
    parser.add_argument("--steps", type=int, default=36, help="of GRPO")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=1.4, help="of attempts that GRPO learns from; held out it is 1")
    parser.add_argument("--kl", type=float, default=0.02, help="weight of the loss on the divergence from the warm start")
    parser.add_argument("--variations", type=int, default=3, help="with other values, of each task that may be rewarded")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--supervised-lr", type=float, default=1e-3)
    parser.add_argument("--warm-seconds", type=float, default=660, help="CPU seconds of a round of the warm start at most")
    parser.add_argument("--rounds", type=int, default=3, help="of the warm start: until more of it teaches no more")
    parser.add_argument(
        "--until", type=float, default=2.0, help="probability of a whole plan at which the warm start ends; above 1: never"
    )
    parser.add_argument("--demonstrated", type=float, default=0.12, help="share of training tasks whose plan is shown")
    parser.add_argument(
        "--demonstrated-sub-dags", type=float, default=0.5, help="share of the training sub-DAGs of which plans are shown"
    )
    parser.add_argument("--tokens", type=int, default=400, help="of a prompt, and of a response, at most")
    parser.add_argument("--tools", type=int, default=4, help="offered with a task, its plan's included")
    parser.add_argument("--calls", type=int, default=4, help="of a plan at most")
    parser.add_argument("--updates", type=int, default=6, help="of the policy in a step of GRPO")
    parser.add_argument("--plans", type=float, default=0.15, help="share of tasks held out with their sub-DAGs")
    parser.add_argument("--values", type=float, default=0.3, help="share of literal calls that no training task makes")
    parser.add_argument("--held-out", type=int, default=200, help="tasks of each held-out split at most")
    parser.add_argument("--samples", type=int, default=4, help="attempts at each held-out task")
    parser.add_argument("--split-seed", type=int, default=13)
    parser.add_argument("--tiny", type=_pairs, default={}, help="the model's size, as hidden=160,layers=4")
    parser.add_argument("--warm", type=_pairs, default={}, help="the warm start, as batch=32,lr=0.002")
    parser.add_argument("--only", choices=("prepare", "arms", "table"))
    parser.add_argument("overrides", nargs="*", help="of verl's configuration, for the GRPO arms")
    options = parser.parse_args()
    if options.scored and not options.packed:
        parser.error("--scored keeps arms of a packed study: give --from with it")
    if options.packed:
        packed.unpack(options.packed, options.out, arms=options.scored)
    if options.tasks is None or options.store is None:
        options.tasks, options.store = unpack(options.out / "set")
    if not options.tasks.exists():
        raise UsageError(f"{options.tasks}: no such file")
    begun = time.monotonic()
    if options.only in (None, "prepare"):
        if not (options.out / TOLD).exists():
            prepare(options)
        if not (options.out / "rewarded.jsonl").exists():
            reward(options.out, copies=options.variations, seed=options.split_seed)
    if options.only in (None, "arms"):
        run_arms(options)
    if options.only in (None, "arms", "table"):
        say(line(table(options.out)))
    say(f"{(time.monotonic() - begun) / 60:.0f} minutes; figures in {options.out / 'table.json'}")


def _pairs(told: str) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for pair in told.split(","):
        key, _, value = pair.partition("=")
        found[key] = float(value) if "." in value or "e" in value else int(value)
    return found


if __name__ == "__main__":
    main()
