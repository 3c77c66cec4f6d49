"""What the arms of the study begin with: the tasks divided, the warm checkpoint, and the tasks that are rewarded."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.train_study.arm import say
from benchmarks.train_study.splits import PLANS, SERVERS, VALUES, divide, sub_dag
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_train.demonstrations import Demonstration

SURE_WRONG, SURE_RIGHT = 0.02, 0.95
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
    rounds = [(options.split_seed, warm)]
    rounds += [(number, {**warm, "lr": options.supervised_lr}) for number in range(1, options.rounds)]
    told["warm"] = [warm_start(model, tokenizer, lessons, WarmStart(**plan), seed=seed, progress=say) for seed, plan in rounds]
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
