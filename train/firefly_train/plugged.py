"""verl's settings that plug our own parts in, where the run's other settings allow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLLOUT = "transformers"
"""Our rollout server's name in ``actor_rollout_ref.rollout.name``."""
ATTEMPT = "attempt"
"""A sampling parameter of that server: which of the attempts at its prompt a trajectory is."""
_OWN_SAMPLING = ("trainer.v1.trainer_mode", "trainer.v1.sampler", "algorithm.filter_groups")
"""Settings, and beginnings of settings, of those who want verl's batches otherwise; verl gives other samplers no filter."""


def rollout_engine(settings: Mapping[str, Any], seed: int, turn: int | None) -> dict[str, Any]:
    """What our rollout server is told, where it is the one that samples.

    Args:
        settings: the preset's and the user's, by verl's keys.
        seed: what its random generators are derived from.
        turn: the most tokens of one turn.
    """
    if settings.get("actor_rollout_ref.rollout.name") != ROLLOUT:
        return {}
    device = str(settings.get("trainer.device", "cuda"))
    return {f"+actor_rollout_ref.rollout.engine_kwargs.{ROLLOUT}": {"device": device, "seed": seed, "turn": turn}}


def row_order(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The replay buffer that puts the rows of a batch in order, unless these settings ask for sampling of another kind."""
    if any(key.startswith(_OWN_SAMPLING) for key in settings):
        return {}
    sampler = "trainer.v1.sampler.custom_sampler"
    return {f"{sampler}.path": "pkg://firefly_train.ordered", f"{sampler}.name": "OrderedReplayBuffer"}
