"""The first lesson of a model that knows nothing: copying, on random tokens.

A language model that was pretrained copies what stands in its context (by so-called induction heads, Olsson et al. 2022,
"In-context Learning and Induction Heads"). Random weights need very many conversations to come upon that, and few sequences
of random tokens in which everything is said twice. They hold nothing of any task.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from firefly_mcp.jsonio import JsonObject

_WINDOW = 20
_LONGEST = 14


@dataclass(frozen=True)
class Copying:
    """How to learn it: ``steps`` at most, each of ``batch`` sequences of ``length`` tokens that are then said again in another
    order, until the mean loss is below ``until`` (nats a token).
    """

    steps: int = 600
    batch: int = 32
    length: int = 56
    lr: float = 3e-3
    until: float = 0.15


def learn_copying(
    model: Any, vocabulary: int, plan: Copying, *, seed: int, progress: Callable[[str], None] = lambda line: None
) -> JsonObject:
    """Train the model in place; gives steps, CPU seconds and the last mean loss.

    Args:
        model: a causal language model of transformers.
        vocabulary: how many token ids there are.
        plan: how.
        seed: of the sequences.
        progress: told how it goes.
    """
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.01)
    recent: deque[float] = deque(maxlen=_WINDOW)
    used = time.process_time()
    step, mean = 0, float("inf")
    model.train()
    for step in range(1, plan.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = plan.lr * min(1.0, step / 30)
        drawn = [_sequence(rng, vocabulary, plan.length) for _ in range(plan.batch)]
        tokens = torch.tensor([said for said, _ in drawn])
        counted = torch.tensor([repeated for _, repeated in drawn])[:, 1:].bool()
        hidden = model.base_model(input_ids=tokens).last_hidden_state[:, :-1]
        loss = cross_entropy(model.get_output_embeddings()(hidden[counted]).float(), tokens[:, 1:][counted])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(float(loss.detach()))
        mean = sum(recent) / len(recent)
        if step % 50 == 0:
            progress(f"copying {step}/{plan.steps}: loss {mean:.3f}")
        if mean < plan.until and len(recent) == _WINDOW:
            break
    return {"steps": step, "cpu_seconds": round(time.process_time() - used, 1), "loss": round(mean, 3)}


def _sequence(rng: random.Random, vocabulary: int, length: int) -> tuple[list[int], list[int]]:
    """Pieces of random tokens, then the same pieces in another order; and 1 where a token follows from what was said before.

    Pieces are of few different tokens or of many: where they are few, more than the last token tells what comes next.
    """
    several = rng.choice((16, 64, vocabulary))
    alphabet = range(vocabulary) if several >= vocabulary else rng.sample(range(vocabulary), several)
    pieces: list[list[int]] = []
    left = length
    while left:
        size = min(left, rng.randint(2, _LONGEST))
        pieces.append(rng.choices(alphabet, k=size))
        left -= size
    said = [token for piece in pieces for token in piece]
    counted = [0] * length
    cue = 2 if several < vocabulary else 1
    rng.shuffle(pieces)
    for piece in pieces:
        said += piece
        counted += [int(place >= cue) for place in range(len(piece))]
    return said, counted
