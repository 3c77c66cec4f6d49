"""Supervised steps on demonstrations: a model that has never seen a tool call cannot be rewarded for one."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject
from firefly_train.demonstrations import Demonstration

_WINDOW = 64


@dataclass(frozen=True)
class WarmStart:
    """How to warm-start.

    ``until``: stop once a whole plan, sampled at temperature 1, would come out right with this probability (the mean over
    recent examples); reinforcement learning needs successes and failures. ``steps`` is the most optimizer steps.
    """

    steps: int = 600
    batch: int = 8
    lr: float = 3e-3
    until: float = 0.35


def warm_start(
    model: Any,
    tokenizer: Any,
    demonstrations: Sequence[Demonstration],
    plan: WarmStart,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda line: None,
) -> JsonObject:
    """Train the model in place; gives steps, seconds, the last loss and the probability of a whole plan.

    Raises:
        TaskError: there is no demonstration.
    """
    if not demonstrations:
        raise TaskError("no demonstration to warm-start with")
    examples = [_example(tokenizer, demonstration) for demonstration in demonstrations]
    order = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.01)
    recent: deque[float] = deque(maxlen=_WINDOW)
    waiting: list[int] = []
    begun = time.monotonic()
    loss, step = 0.0, 0
    model.train()
    for step in range(1, plan.steps + 1):
        while len(waiting) < plan.batch:
            waiting += order.sample(range(len(examples)), len(examples))
        chosen, waiting = waiting[: plan.batch], waiting[plan.batch :]
        for group in optimizer.param_groups:
            group["lr"] = plan.lr * min(1.0, step / 20) * (1.0 - 0.9 * step / plan.steps)
        losses, counts = _losses(model, [examples[index] for index in chosen], tokenizer.pad_token_id)
        mean = losses.sum() / counts.sum()
        optimizer.zero_grad()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss = float(mean.detach())
        recent.extend((-losses.detach()).exp().tolist())
        likely = sum(recent) / len(recent)
        if step % 25 == 0:
            progress(f"warm start {step}/{plan.steps}: loss {loss:.3f}, a whole plan with probability {likely:.2f}")
        if likely >= plan.until and len(recent) >= min(_WINDOW, len(examples)):
            break
    model.eval()
    return {
        "steps": step,
        "seconds": round(time.monotonic() - begun, 1),
        "loss": round(loss, 4),
        "plan_probability": round(sum(recent) / len(recent), 3),
        "demonstrations": len(examples),
    }


def _example(tokenizer: Any, demonstration: Demonstration) -> tuple[list[int], list[int]]:
    """The conversation's token ids, and 1 where the model spoke. The template must mark it with ``{% generation %}``."""
    encoded = tokenizer.apply_chat_template(
        demonstration.messages,
        tools=demonstration.tools,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return encoded["input_ids"], encoded["assistant_masks"]


def _losses(model: Any, examples: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each example, the summed negative log-likelihood of what the model spoke, and how many tokens that is."""
    width = max(len(ids) for ids, _ in examples)
    tokens = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in examples])
    spoken = torch.tensor([mask + [0] * (width - len(mask)) for _, mask in examples])[:, 1:].bool()
    # No attention mask: what is padded lies to the right, where a causal model does not look. Logits only where they count.
    hidden = model.base_model(input_ids=tokens).last_hidden_state[:, :-1]
    logits = model.get_output_embeddings()(hidden[spoken]).float()
    each = cross_entropy(logits, tokens[:, 1:][spoken], reduction="none")
    rows = torch.arange(len(examples))[:, None].expand_as(spoken)[spoken]
    sums = torch.zeros(len(examples)).index_add(0, rows, each)
    return sums, spoken.sum(1)
