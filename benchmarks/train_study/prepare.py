"""What the arms of the study begin with: the tasks divided, and the warm checkpoint."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.train_study.folder import TOLD
from benchmarks.train_study.progress import say
from benchmarks.train_study.splits import PLANS, SERVERS, VALUES, divide, sub_dag
from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_train.demonstrations import Demonstration

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def prepare(options: argparse.Namespace) -> None:
    """Divide the tasks, keep those that fit, and make the warm checkpoint."""
    import torch

    from firefly_train import preset, tiny_model
    from firefly_train.demonstrations import demonstrate
    from firefly_train.fit import Budget, fitting
    from firefly_train.run_folder import SPARE_TURNS

    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with Recording(options.store) as recording:
        shown = demonstrate(read_tasks(options.tasks), recording)
    shown = [_fewer_tools(one, options.tools) for one in shown if one.turns - 1 <= options.calls]
    # Lengths depend on the tokenizer, and that on the training split: characters sort out what could never fit.
    short = [one for one in shown if sum(len(str(message)) for message in one.messages) <= 6 * options.tokens]
    parts = divide([one.task for one in short], seed=options.split_seed, plans=options.plans, values=options.values)
    divided = {task.id: task for task in parts}
    shown = [replace(one, task=divided[one.task.id]) for one in short if one.task.id in divided]
    training = [one for one in shown if one.task.split == "train"]
    smoke = preset.load("smoke")
    size = tiny_model.TinySize(**{**smoke.tiny, **options.tiny})
    tokenizer = tiny_model.build_tokenizer(training, size.vocabulary)
    fit = fitting(tokenizer, shown, Budget(options.tokens, options.tokens))
    kept = _at_most([one.task for one in fit.demonstrations], options.held_out, options.split_seed)
    train = [task for task in kept if task.split == "train"]
    held = [task for task in kept if task.split != "train"]
    demonstrated = _demonstrated(train, options.demonstrated, options.demonstrated_sub_dags, options.split_seed)
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
        "kl": options.kl,
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
        "demonstrated_sub_dags": len({sub_dag(task) for task in demonstrated}),
        "sub_dags": {split: len({sub_dag(task) for task in kept if task.split == split}) for split in {t.split for t in kept}},
        "servers_held_out": sorted({name for task in held if task.split == SERVERS for name in task.servers}),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    say(f"tasks: {told['split']}, sub-DAGs: {told['sub_dags']}, {fit.left_out} too long")
    say(f"plans shown: {len(demonstrated)} of {told['demonstrated_sub_dags']} sub-DAGs")
    model = tiny_model.build_model(tokenizer, size, options.split_seed)
    told["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    chosen = {task.id for task in demonstrated}
    lessons = [one for one in fit.demonstrations if one.task.id in chosen]
    rounds = [(options.split_seed, warm)]
    rounds += [(number, {**warm, "lr": options.supervised_lr}) for number in range(1, options.rounds)]
    told["warm"] = [
        warm_round(out / f"round-{number}", model, tokenizer, lessons, plan, seed)
        for number, (seed, plan) in enumerate(rounds, 1)
    ]
    tiny_model.save(model, tokenizer, out / "warm" / "model")
    (out / TOLD).write_bytes(dumps(told))


def warm_round(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lessons: list[Demonstration],
    plan: JsonObject,
    seed: int,
) -> JsonObject:
    """One round of the warm start, or what it left when the study was stopped after it; gives what it told.

    A round of other lessons or settings, from a folder that was used before, is made anew.
    """
    from transformers import AutoModelForCausalLM

    from firefly_train import tiny_model
    from firefly_train.warm_start import WarmStart, warm_start

    learned = folder / "learned.json"
    of = hash_json([[one.task.id for one in lessons], plan])
    left: JsonObject = loads(learned.read_bytes()) if learned.exists() else {}
    if left.get("of") == of:
        saved = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=model.dtype)
        model.load_state_dict(saved.state_dict())
        return dict(left["told"])
    told = warm_start(model, tokenizer, lessons, WarmStart(**plan), seed=seed, progress=say)
    tiny_model.save(model, tokenizer, folder / "model")
    learned.write_bytes(dumps({"of": of, "told": told}))
    return told


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


def _demonstrated(train: list[Task], share: float, sub_dags: float, seed: int) -> list[Task]:
    """The tasks whose plans are shown in supervised steps, of some sub-DAGs: plans of the others have to be found by reward."""
    rng = random.Random(seed)
    shapes = sorted({sub_dag(task) for task in train})
    shown = set(rng.sample(shapes, max(1, round(sub_dags * len(shapes)))))
    possible = sorted((task for task in train if sub_dag(task) in shown), key=lambda task: task.id)
    return rng.sample(possible, min(len(possible), max(1, round(share * len(train)))))
