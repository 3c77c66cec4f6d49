from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("verl", reason="verl is not installed")

PROMPTS = ("f3", "0a", "7c")
"""Ids as verl draws them, in the order of the data."""


@pytest.mark.filterwarnings("ignore")  # of verl and Ray when they are imported
def test_a_batch_comes_in_the_order_of_its_attempts_whatever_ended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from transfer_queue import KVBatchMeta
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

    from firefly_train.ordered import OrderedReplayBuffer

    rows = [(f"{uid}_{attempt}_{output}", {"row": attempt}) for attempt in range(11) for uid in PROMPTS for output in range(2)]

    def sample(self: Any, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict[str, Any]]:
        ended = random.Random(global_steps).sample(rows, len(rows))
        return KVBatchMeta([key for key, _ in ended], [tag for _, tag in ended], partition_id), {"waited": global_steps}

    monkeypatch.setattr(ReplayBuffer, "sample", sample)
    # As the trainer makes one that is plugged in.
    buffer = OrderedReplayBuffer(
        trainer_mode="sync",
        trainer_config={},
        max_off_policy_threshold=8,
        max_off_policy_strategy="drop",
        sampler_kwargs={},
        refill_fn=None,
    )
    buffer.prompt_global_steps["train"] = dict.fromkeys(PROMPTS, 1)
    for step in range(5):
        batch, metrics = buffer.sample(step, "train", len(PROMPTS))
        assert list(zip(batch.keys, batch.tags, strict=True)) == rows
        assert (batch.partition_id, metrics) == ("train", {"waited": step})
