"""GRPO with its rewards shuffled among the trajectories of a step: a control arm, in which nothing can be learned.

Chosen as any other of verl's advantage estimators: ``algorithm.adv_estimator=firefly_grpo_shuffled``. Everything else
(sampling, the reward's distribution, the size of updates) stays as it is with GRPO.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "firefly_grpo_shuffled"
_SEED = 20261126


def register() -> None:
    """Register with verl."""
    from verl.trainer.ppo import core_algos

    core_algos.register_adv_est(NAME)(shuffled_advantage)


def shuffled_advantage(token_level_rewards: torch.Tensor, response_mask: torch.Tensor, **kwargs: Any) -> Any:
    """verl's GRPO advantage of rewards that were given to other trajectories.

    Args:
        token_level_rewards: rewards, of shape (trajectories, response tokens); rows are shuffled.
        response_mask: 1 where the model spoke, of the same shape.
        kwargs: passed on (``index``, ``norm_adv_by_std_in_grpo``, ``config``).
    """
    from verl.trainer.ppo import core_algos

    sums = token_level_rewards.sum(dim=-1)
    # The order follows from the rewards themselves and their number, so that a run can be repeated.
    generator = torch.Generator().manual_seed(_SEED + int(sums.shape[0]) + int((sums * torch.arange(1, len(sums) + 1)).sum()))
    order = torch.randperm(len(sums), generator=generator)
    rewards = torch.zeros_like(token_level_rewards)
    rewards[:, 0] = sums[order]
    return core_algos.compute_grpo_outcome_advantage(token_level_rewards=rewards, response_mask=response_mask, **kwargs)
