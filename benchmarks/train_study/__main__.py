"""Does training through the recording teach a model anything that holds on other tasks?

    python -m benchmarks.train_study --out runs/study --seeds 3 --jobs 2
    python -m benchmarks.train_study --tasks tasks.jsonl --store firefly.db --out runs/study

From one warm-started checkpoint three arms are trained for the same CPU seconds: GRPO; GRPO with its rewards shuffled among the
trajectories of a step; and more of the supervised steps that made the checkpoint. All are scored on the same held-out tasks, by
the same sampled attempts. Stopped in the middle, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.train_study.arm import ARMS, say
from benchmarks.train_study.bundled import unpack
from benchmarks.train_study.splits import PLANS, SERVERS, VALUES, divide, sub_dag
from benchmarks.train_study.stats import paired
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_train.demonstrations import Demonstration
from firefly_train.figures import by_task, read_lines

CORE = (PLANS, VALUES)
"""What the gain is measured on: held out by sub-DAG and by argument values. Held out by server is told beside it."""

SURE_WRONG, SURE_RIGHT = 0.05, 0.95
"""GRPO is given the tasks whose plan the warm model would say with a probability between these."""


def prepare(options: argparse.Namespace) -> None:
    """Divide the tasks, keep those that fit, and make the warm checkpoint."""
    import torch

    from firefly_train import checks, preset, tiny_model
    from firefly_train.demonstrations import demonstrate
    from firefly_train.run_folder import SPARE_TURNS
    from firefly_train.warm_start import WarmStart, plan_probabilities, warm_start

    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with Recording(options.store) as recording:
        shown = demonstrate(read_tasks(options.tasks), recording)
    shown = [_fewer_tools(one, options.tools) for one in shown if one.turns - 1 <= options.calls]
    # Lengths depend on the tokenizer, and that on the training split: characters sort out what could never fit.
    short = [one for one in shown if sum(len(str(message)) for message in one.messages) <= 6 * options.tokens]
    divided = {task.id: task for task in divide([one.task for one in short], seed=options.split_seed)}
    shown = [replace(one, task=divided[one.task.id]) for one in short if one.task.id in divided]
    training = [one for one in shown if one.task.split == "train"]
    smoke = preset.load("smoke")
    size = tiny_model.TinySize(**{**smoke.tiny, **options.tiny})
    tokenizer = tiny_model.build_tokenizer(training, size.vocabulary)
    fit = checks.fitting(tokenizer, shown, options.tokens, options.tokens)
    kept = _at_most([one.task for one in fit.demonstrations], options.held_out, options.split_seed)
    train = [task for task in kept if task.split == "train"]
    held = [task for task in kept if task.split != "train"]
    demonstrated = _demonstrated(train, options.demonstrated, options.split_seed)
    for name, tasks in (("train", train), ("heldout", held), ("demonstrated", demonstrated)):
        write_tasks(out / f"{name}.jsonl", tasks)
    warm = {
        **smoke.warm_start,
        "vary": True,
        "decay": 0.03,
        "until": options.until,
        "steps": 1_000_000,
        "cpu_seconds": options.warm_seconds,
        **options.warm,
    }
    told: JsonObject = {
        "tasks": str(options.tasks),
        "store": str(options.store.resolve()),
        "steps": options.steps,
        "prompts": options.prompts,
        "updates": options.updates,
        "rollouts": options.rollouts,
        "temperature": options.temperature,
        "lr": options.lr,
        "supervised_lr": options.supervised_lr,
        "samples": options.samples,
        "overrides": options.overrides,
        "warm_start": warm,
        "prompt_tokens": fit.prompt_tokens,
        "response_tokens": int(fit.response_tokens * 1.25),
        "turns": max(one.turns for one in fit.demonstrations) + SPARE_TURNS,
        "split": dict(Counter(task.split for task in kept)),
        "demonstrated": len(demonstrated),
        "sub_dags": {split: len({sub_dag(task) for task in kept if task.split == split}) for split in {t.split for t in kept}},
        "servers_held_out": sorted({name for task in held if task.split == SERVERS for name in task.servers}),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    say(f"tasks: {told['split']}, sub-DAGs: {told['sub_dags']}, {len(demonstrated)} demonstrated, {fit.left_out} too long")
    model = tiny_model.build_model(tokenizer, size, options.split_seed)
    told["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    chosen = {task.id for task in demonstrated}
    lessons = [one for one in fit.demonstrations if one.task.id in chosen]
    told["warm"] = warm_start(model, tokenizer, lessons, WarmStart(**warm), seed=options.split_seed, progress=say)
    tiny_model.save(model, tokenizer, out / "warm" / "model")
    # What was demonstrated is mostly solved; and where all attempts fail or all succeed, there is no advantage to learn from.
    others = [one for one in fit.demonstrations if one.task.split == "train" and one.task.id not in chosen]
    likely = plan_probabilities(model, tokenizer, others)
    rewarded = [one.task for one, chance in zip(others, likely, strict=True) if SURE_WRONG < chance < SURE_RIGHT]
    write_tasks(out / "rewarded.jsonl", rewarded)
    told["rewarded"] = len(rewarded)
    say(f"{len(rewarded)} of {len(others)} tasks that were not demonstrated are neither hopeless nor solved: they are rewarded")
    (out / "study.json").write_bytes(dumps(told))


def _fewer_tools(shown: Demonstration, most: int) -> Demonstration:
    """Offer the tools of the plan and so many others that there are ``most`` in all; long lists are what costs most here."""
    task = shown.task
    needed = {node.exposed_name for node in task.plan}
    spare = [name for name in task.tools if name not in needed][: max(0, most - len(needed))]
    kept = [name for name in task.tools if name in needed or name in spare]
    tools = [entry for entry in shown.tools if entry["function"]["name"] in (*kept, ANSWER_TOOL)]
    return replace(shown, task=task.model_copy(update={"tools": kept}), tools=tools)


def _at_most(tasks: list[Task], most: int, seed: int) -> list[Task]:
    """All training tasks, and of each held-out split so many."""
    drawn = sorted(tasks, key=lambda task: task.id)
    random.Random(seed).shuffle(drawn)
    held = [[task for task in drawn if task.split == split][:most] for split in (PLANS, VALUES, SERVERS)]
    chosen = {task.id for members in held for task in members}
    return [task for task in tasks if task.split == "train" or task.id in chosen]


def _demonstrated(train: list[Task], share: float, seed: int) -> list[Task]:
    """The tasks whose plans are shown in supervised steps, spread over the sub-DAGs; the others are only rewarded."""
    order = sorted(train, key=lambda task: task.id)
    random.Random(seed).shuffle(order)
    return order[: max(1, round(share * len(order)))]


def run_arms(options: argparse.Namespace) -> None:
    """Run the arms that have no result yet, some at the same time."""

    def one(arm: str, seed: int) -> None:
        out = options.out / (arm if arm == "warm" else f"{arm}-{seed}")
        checked = "permuted" if arm in ("grpo", "warm") else "heldout"
        if (out / "result.json").exists() and checked in loads((out / "result.json").read_bytes()):
            return
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.train_study.arm", str(options.out), arm, "--seed", str(seed)]
        with (out / "arm.log").open("ab") as log:
            ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        say(f"{arm} {seed}: " + ("done" if ended.returncode == 0 else f"failed, see {out / 'arm.log'}"))

    def seed_arms(seed: int) -> None:
        for arm in ARMS:
            one(arm, seed)
        say(_line(table(options.out)))

    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(one, "warm", 0), *(pool.submit(seed_arms, seed) for seed in range(1, options.seeds + 1))]
        for job in jobs:
            job.result()


def table(study: Path) -> JsonObject:
    """The figures of what there is so far."""
    told = loads((study / "study.json").read_bytes())
    groups = {task.id: sub_dag(task) for task in read_tasks(study / "heldout.jsonl")}
    splits = {task.id: task.split for task in read_tasks(study / "heldout.jsonl")}
    results = {path.parent.name: loads(path.read_bytes()) for path in sorted(study.glob("*/result.json"))}
    results = {name: result for name, result in results.items() if "heldout" in result}
    rewards = {name: by_task(read_lines(study / name / "heldout" / "rollouts.jsonl")) for name in results}
    seeds = [seed for seed in range(1, 100) if all(f"{arm}-{seed}" in results for arm in ARMS) and "warm" in results]
    found: JsonObject = {
        "study": told,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "date": datetime.now(UTC).date().isoformat(),
        "seeds": seeds,
        "arms": results,
    }
    for name, chosen in (("heldout", CORE), *((split, (split,)) for split in (PLANS, VALUES, SERVERS))):
        tasks = [task for task, split in splits.items() if split in chosen]
        if not tasks or not seeds:
            continue

        def of(arm: str, tasks: list[str] = tasks) -> list[dict[str, list[float]]]:
            names = ["warm"] * len(seeds) if arm == "warm" else [f"{arm}-{seed}" for seed in seeds]
            return [{task: rewards[each][task] for task in tasks} for each in names]

        grpo = of("grpo")
        found[name] = {
            "means": {arm: _mean(of(arm)) for arm in ("warm", *ARMS)},
            "gain": {arm: paired(of("warm"), of(arm), groups) for arm in ARMS},
            "grpo_above": {arm: paired(of(arm), grpo, groups) for arm in ("shuffled", "supervised")},
        }
    (study / "table.json").write_bytes(dumps(found))
    return found


def _mean(rewards: list[dict[str, list[float]]]) -> float:
    means = [sum(tries) / len(tries) for one in rewards for tries in one.values()]
    return round(sum(means) / len(means), 4)


def _line(found: JsonObject) -> str:
    if "heldout" not in found:
        return "no seed is whole yet"
    told = found["heldout"]
    gain = told["gain"]["grpo"]
    return f"seeds {found['seeds']}: {told['means']}, GRPO's gain {gain['difference']} {gain['interval']}"


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, help="with --store; the set that comes with the study when left out")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="seeds trained at the same time")
    parser.add_argument("--steps", type=int, default=20, help="of GRPO")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=1.4, help="of the attempts that GRPO learns from; held out it is 1")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--supervised-lr", type=float, default=1e-3)
    parser.add_argument("--warm-seconds", type=float, default=660, help="CPU seconds of the warm start at most")
    parser.add_argument(
        "--until", type=float, default=2.0, help="probability of a whole plan at which the warm start ends; above 1: never"
    )
    parser.add_argument("--demonstrated", type=float, default=0.4, help="share of training tasks whose plan is shown")
    parser.add_argument("--tokens", type=int, default=400, help="of a prompt, and of a response, at most")
    parser.add_argument("--tools", type=int, default=4, help="offered with a task, its plan's included")
    parser.add_argument("--calls", type=int, default=4, help="of a plan at most")
    parser.add_argument("--updates", type=int, default=2, help="of the policy in a step of GRPO")
    parser.add_argument("--held-out", type=int, default=120, help="tasks of each held-out split at most")
    parser.add_argument("--samples", type=int, default=4, help="attempts at each held-out task")
    parser.add_argument("--split-seed", type=int, default=7)
    parser.add_argument("--tiny", type=_pairs, default={}, help="the model's size, as hidden=160,layers=4")
    parser.add_argument("--warm", type=_pairs, default={}, help="the warm start, as batch=32,lr=0.002")
    parser.add_argument("--only", choices=("prepare", "arms", "table"))
    parser.add_argument("overrides", nargs="*", help="of verl's configuration, for the GRPO arms")
    options = parser.parse_args()
    if options.tasks is None or options.store is None:
        options.tasks, options.store = unpack(options.out / "set")
    if not options.tasks.exists():
        raise UsageError(f"{options.tasks}: no such file")
    begun = time.monotonic()
    if options.only in (None, "prepare") and not (options.out / "study.json").exists():
        prepare(options)
    if options.only in (None, "arms"):
        run_arms(options)
    if options.only in (None, "arms", "table"):
        say(_line(table(options.out)))
    say(f"{(time.monotonic() - begun) / 60:.0f} minutes; figures in {options.out / 'table.json'}")


def _pairs(told: str) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for pair in told.split(","):
        key, _, value = pair.partition("=")
        found[key] = float(value) if "." in value or "e" in value else int(value)
    return found


if __name__ == "__main__":
    main()
