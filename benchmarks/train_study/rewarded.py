"""The tasks that GRPO is rewarded on: those that the warm model solves sometimes, as recorded and with other values."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.train_study.folder import REWARDS, TOLD, settings
from benchmarks.train_study.progress import say
from benchmarks.train_study.splits import sub_dag
from firefly_mcp.jsonio import dumps
from firefly_mcp.store.pages import remove
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.varied import varied

SURE_WRONG, SURE_RIGHT = 0.02, 0.95
"""Between these lies the probability with which the warm model says the plan of a rewarded task."""


@dataclass(frozen=True)
class Rewarded:
    """The tasks as they were recorded, and those with other values."""

    recorded: list[Task]
    varied: list[Task]


def reward(study: Path, *, copies: int, seed: int) -> None:
    """Choose with the warm model of a study what its arms are rewarded on: ``rewarded.jsonl``, and the recording beside it.

    Args:
        study: prepared, with ``store``, ``steps`` and ``prompts`` in its ``study.json``, which is told what was chosen.
        copies: variations of each task.
        seed: of the variations and of the draw.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from firefly_train.warm_start import plan_probabilities

    told = settings(study)
    model = AutoModelForCausalLM.from_pretrained(study / "warm" / "model", dtype=torch.float32).eval()
    likely = partial(plan_probabilities, model, AutoTokenizer.from_pretrained(study / "warm" / "model"))
    shown = read_tasks(study / "demonstrated.jsonl")
    known = {task.id for task in shown}
    others = [task for task in read_tasks(study / "train.jsonl") if task.id not in known]
    places = told["steps"] * told["prompts"]
    store = Path(told["store"])
    chosen = choose(others, shown, store, study / REWARDS, likely, copies=copies, places=places, seed=seed)
    told |= {"rewarded": len(chosen.recorded), "rewarded_variations": len(chosen.varied)}
    (study / TOLD).write_bytes(dumps(told))
    write_tasks(study / "rewarded.jsonl", [*chosen.recorded, *chosen.varied])  # last: where it is there, all this is done
    say(f"rewarded: {len(chosen.recorded)} of {len(others)} tasks not shown, {len(chosen.varied)} of their variations")


def choose(
    others: Sequence[Task],
    shown: Sequence[Task],
    store: Path,
    out: Path,
    likely: Callable[[Sequence[Demonstration]], list[float]],
    *,
    copies: int,
    places: int,
    seed: int,
) -> Rewarded:
    """Write the recording ``out`` and choose from tasks that were not demonstrated; what is drawn depends on the seed.

    Args:
        others: the tasks.
        shown: those demonstrated. Only what has another sub-DAG is varied: supervised steps see the others with other values.
        store: the recording of the study.
        out: made anew.
        likely: the warm model's probabilities of plans; where all attempts fail or all succeed there is nothing to learn from.
        copies: variations of each task.
        places: how many tasks all steps have place for; recorded ones go before variations.
        seed: of the variations and of the draw.
    """
    remove(out)
    familiar = {sub_dag(task) for task in shown}
    unfamiliar = [task for task in others if sub_dag(task) not in familiar]
    changed = varied(unfamiliar, store, out, copies=copies, seed=seed)
    with Recording(out) as recording:
        solved, spare = (_sometimes(demonstrate(tasks, recording), likely) for tasks in (others, changed))
    room = max(0, places - len(solved))
    return Rewarded(solved, random.Random(seed).sample(spare, min(room, len(spare))))


def _sometimes(solved: Sequence[Demonstration], likely: Callable[[Sequence[Demonstration]], list[float]]) -> list[Task]:
    return [one.task for one, chance in zip(solved, likely(solved), strict=True) if SURE_WRONG < chance < SURE_RIGHT]
