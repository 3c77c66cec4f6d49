"""verl's replay buffer, with the rows of a batch in an order that the same trajectories always have.

verl hands out trajectories in the order in which they ended. That is another one in every run, and with it the division into
mini-batches: two runs of one seed part at the first update, though they sampled the same.
"""

from __future__ import annotations

from typing import Any

from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer


class OrderedReplayBuffer(ReplayBuffer):  # type: ignore[misc]
    """Plugged in as ``trainer.v1.sampler.custom_sampler``; for the synchronous trainer."""

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict[str, Any]]:
        """verl's batch: the first attempts at all prompts, in the order in which those were handed out, then the second.

        So a mini-batch, which is a run of rows, holds attempts at many prompts, as those in order of their ends do.
        """
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        places = {uid: place for place, uid in enumerate(self.prompt_global_steps[partition_id])}

        def order(row: tuple[str, object]) -> tuple[int, int, int]:
            uid, attempt, output = row[0].split("_")
            return int(attempt), places[uid], int(output)

        rows = sorted(zip(batch.keys, batch.tags, strict=True), key=order)
        ordered = KVBatchMeta(partition_id=batch.partition_id, keys=[key for key, _ in rows], tags=[tag for _, tag in rows])
        return ordered, metrics
