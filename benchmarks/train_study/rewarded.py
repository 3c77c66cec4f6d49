"""The tasks that GRPO is rewarded on: those that the warm model solves sometimes, as recorded and with other values."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firefly_mcp.store.pages import SUFFIXES
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.varied import varied

REWARDS = "rewards.db"
"""The recording that rewards come from: the study's, and in it the variations of its tasks."""
SURE_WRONG, SURE_RIGHT = 0.02, 0.95
"""Between these lies the probability with which the warm model says the plan of a rewarded task."""


@dataclass(frozen=True)
class Rewarded:
    """The tasks as they were recorded, and those with other values."""

    recorded: list[Task]
    varied: list[Task]


def choose(
    others: Sequence[Demonstration],
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
        others: the tasks, solved.
        store: the recording of the study.
        out: made anew.
        likely: the warm model's probabilities of plans; where all attempts fail or all succeed there is nothing to learn from.
        copies: variations of each task.
        places: how many tasks all steps have place for; recorded ones go before variations.
        seed: of the variations and of the draw.
    """
    for suffix in SUFFIXES:
        out.with_name(out.name + suffix).unlink(missing_ok=True)
    changed = varied([one.task for one in others], store, out, copies=copies, seed=seed)
    with Recording(out) as recording:
        other_values = demonstrate(changed, recording)
    recorded, spare = (
        [one.task for one, chance in zip(shown, likely(shown), strict=True) if SURE_WRONG < chance < SURE_RIGHT]
        for shown in (others, other_values)
    )
    room = max(0, places - len(recorded))
    return Rewarded(recorded, random.Random(seed).sample(spare, min(room, len(spare))))
