"""Supervised steps on demonstrations: a model that has never seen a tool call cannot be rewarded for one."""

from __future__ import annotations

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
from firefly_train.examples import Example, Examples, example, parts

_WINDOW = 128


@dataclass(frozen=True)
class WarmStart:
    """How to warm-start.

    ``until``: stop once a whole plan, sampled at temperature 1, would come out right with this probability (the mean over
    recent examples); reinforcement learning needs successes and failures. ``steps`` is the most optimizer steps,
    ``cpu_seconds`` the most CPU seconds of this process (None: no limit). ``vary``: learn from variations with other values
    beside the recorded ones. ``decay``: what is left of the learning rate in the last step, as a share. ``context``: the weight
    of the loss on what the model only reads, from which it can learn as well what is often said. ``most_tokens``: of one pass,
    padded; a larger batch is read in several, whose gradients are added up (None: one pass). ``dtype``: in what products are
    computed, where that is not the weights' own (torch's autocast; the weights stay in 32 bits).
    """

    steps: int = 600
    batch: int = 8
    lr: float = 3e-3
    until: float = 0.35
    cpu_seconds: float | None = None
    vary: bool = False
    decay: float = 0.1
    context: float = 0.0
    device: str = "cpu"
    most_tokens: int | None = None
    dtype: str | None = None


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
    examples = Examples(tokenizer, demonstrations, vary=plan.vary, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.01)
    recent: deque[float] = deque(maxlen=_WINDOW)
    begun, used = time.monotonic(), time.process_time()
    loss, step = 0.0, 0
    model.to(plan.device).train()
    for step, batch in enumerate(examples.batches(plan.batch), 1):
        gone = _gone(step, plan, time.process_time() - used)
        for group in optimizer.param_groups:
            group["lr"] = plan.lr * min(1.0, step / 20) * (1.0 - (1.0 - plan.decay) * gone)
        optimizer.zero_grad()
        loss, losses = _backward(model, batch, tokenizer.pad_token_id, plan)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.extend((-losses).exp().tolist())
        likely = sum(recent) / len(recent)
        if step % 25 == 0:
            progress(f"warm start {step}/{plan.steps}: loss {loss:.3f}, a whole plan with probability {likely:.2f}")
        if gone >= 1.0 or (likely >= plan.until and len(recent) >= min(_WINDOW, len(demonstrations))):
            break
    model.to("cpu").eval()
    return {
        "steps": step,
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "loss": round(loss, 4),
        "plan_probability": round(sum(recent) / len(recent), 3),
        "demonstrations": len(demonstrations),
    }


def _backward(model: Any, batch: Sequence[Example], pad: int, plan: WarmStart) -> tuple[float, torch.Tensor]:
    """Add the gradients of one batch; gives its loss for each token spoken, and the summed one of each example."""
    spoken = sum(sum(mask[1:]) for _, mask in batch)
    loss, each = 0.0, []
    for part in parts(batch, plan.most_tokens):
        with torch.autocast(
            torch.device(plan.device).type, getattr(torch, plan.dtype or "bfloat16"), enabled=plan.dtype is not None
        ):
            losses, read = _losses(model, part, pad, plan.device, read=plan.context > 0)
        mean = losses.sum() / spoken
        (mean + plan.context * len(part) / len(batch) * read).backward()
        loss += float(mean.detach())
        each.append(losses.detach())
    return loss, torch.cat(each)


def plan_probabilities(model: Any, tokenizer: Any, demonstrations: Sequence[Demonstration]) -> list[float]:
    """Of each demonstration, the probability that the model, sampled at temperature 1, says exactly this."""
    found = []
    with torch.no_grad():
        for shown in demonstrations:
            losses, _ = _losses(model, [example(tokenizer, shown)], tokenizer.pad_token_id, "cpu")
            found.append(float((-losses).exp()))
    return found


def _gone(step: int, plan: WarmStart, used: float) -> float:
    """How much of what is allowed is used up, from 0 to 1."""
    spent = used / plan.cpu_seconds if plan.cpu_seconds else 0.0
    return min(1.0, max(step / plan.steps, spent))


def _losses(
    model: Any, examples: Sequence[Example], pad: int, device: str, *, read: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each example, the summed negative log-likelihood of what the model spoke; and the mean of what it only read (0 unless
    ``read``).
    """
    width = max(len(ids) for ids, _ in examples)
    tokens = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in examples], device=device)
    spoken = torch.tensor([mask + [0] * (width - len(mask)) for _, mask in examples], device=device)[:, 1:].bool()
    # No attention mask: what is padded lies to the right, where a causal model does not look. Logits only where they count.
    counted = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in examples], device=device)[:, 1:].bool()
    counted = counted if read else spoken
    hidden = model.base_model(input_ids=tokens).last_hidden_state[:, :-1]
    logits = model.get_output_embeddings()(hidden[counted]).float()
    each = cross_entropy(logits, tokens[:, 1:][counted], reduction="none")
    own = spoken[counted]
    rows = torch.arange(len(examples), device=device)[:, None].expand_as(spoken)[spoken]
    sums = torch.zeros(len(examples), device=device).index_add(0, rows, each[own])
    return sums, each[~own].mean() if read else torch.zeros((), device=device)
