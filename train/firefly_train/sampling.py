"""Sampling with a transformers model: many prompts as one left-padded batch, each with a random generator of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from firefly_train.cache import new_cache
from firefly_train.decoding import MakeDecoder, decoder_for, last_logits


@dataclass(frozen=True)
class SamplingParams:
    """How to sample. ``top_k`` of -1 or 0 and ``top_p`` of 1 leave the distribution whole; temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = -1
    stop: frozenset[int] = frozenset()


CLOSE = 1e-4
"""A draw so near to the edge between two tokens is made again from logits that were computed for its row alone.

What is computed beside a row changes its logits in the last bits, and who is beside it is chance. In 32 bits that moves an edge
by some 1e-6: with this margin a sample depends on its prompt and its generator only. Few tokens in ten thousand are so near.
"""
Pause = Callable[[int], bool]
"""Asked before each token, with the number of samples that have not ended, whether to leave them as they are for now."""


@dataclass
class Sample:
    """One prompt on its way: what was sampled for it so far."""

    prompt: list[int]
    params: SamplingParams
    generator: random.Random
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)

    @property
    def said(self) -> list[int]:
        """The prompt, and what was sampled so far."""
        return self.prompt + self.tokens

    @property
    def finished(self) -> bool:
        """Whether it stopped or is as long as it may be."""
        return bool(self.tokens) and (self.tokens[-1] in self.params.stop or len(self.tokens) >= self.params.max_tokens)


def sample_batch(
    model: Any, samples: Sequence[Sample], pad: int, decoder: MakeDecoder = decoder_for, pause: Pause = lambda running: False
) -> None:
    """Sample all of them to their ends, or until a pause, in place.

    Args:
        model: a transformers causal language model; its cache must allow selecting rows.
        samples: new ones, or ones that a pause left; at least one, and none that has ended.
        pad: the id that fills the left.
        decoder: how it goes on after the prompts; the device's own.
        pause: whether to leave off; at least one token is sampled for each.

    Log-probabilities are those of the distribution sampled from before ``top_k`` and ``top_p``, at the temperature used: what
    the trainer computes for the same tokens. In 32 bits a sample's tokens do not depend on who else is in the batch.
    """
    with torch.no_grad():
        _sample(model, samples, pad, decoder, pause)


def _sample(model: Any, samples: Sequence[Sample], pad: int, make_decoder: MakeDecoder, pause: Pause) -> None:
    device = next(model.parameters()).device
    prompts = [tuple(sample.said) for sample in samples]
    width = max(map(len, prompts))
    # A prompt that several samples share (the attempts of a group) is read once.
    place: dict[tuple[int, ...], int] = {}
    of = torch.tensor([place.setdefault(prompt, len(place)) for prompt in prompts], device=device)
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in place], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in place], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = new_cache(model.config)
    chosen = _choose(model, last_logits(model, ids, mask, positions, cache)[of], samples)
    kept = _unfinished(samples)
    if not kept:
        return
    running, left = [samples[at] for at in kept], torch.tensor(kept, device=device)
    cache.batch_select_indices(of[left])
    decoder = make_decoder(model, cache, mask[of[left]], positions[of[left], -1:])
    chosen = chosen[left]
    rows: torch.Tensor | None = None  # of the decoder; None where all are running
    while not pause(len(running)):
        if rows is not None:
            chosen = chosen.new_full((decoder.rows,), pad).index_copy_(0, rows, chosen)
        logits = decoder.step(chosen)
        chosen = _choose(model, logits if rows is None else logits[rows], running)
        kept = _unfinished(running)
        if not kept:
            return
        if len(kept) < len(running):
            running, left = [running[at] for at in kept], torch.tensor(kept, device=device)
            chosen, rows = chosen[left], left if rows is None else rows[left]
            if decoder.worth_keeping(len(running)):
                decoder.keep(rows)
                rows = None


def _unfinished(samples: Sequence[Sample]) -> list[int]:
    """The places of those that have not ended."""
    return [place for place, sample in enumerate(samples) if not sample.finished]


def _choose(model: Any, logits: torch.Tensor, samples: Sequence[Sample]) -> torch.Tensor:
    """The next token of each row, noted in its sample."""
    draws = [sample.generator.random() for sample in samples]
    chosen, log_probs, edges = _drawn(logits, samples, draws)
    if logits.dtype == torch.float32:
        for row in (edges < CLOSE).nonzero().flatten().tolist():
            alone = _drawn(_logits_alone(model, samples[row]), samples[row : row + 1], draws[row : row + 1])
            chosen[row], log_probs[row] = alone[0][0], alone[1][0]
    for sample, token, log_prob in zip(samples, chosen.tolist(), log_probs.tolist(), strict=True):
        sample.tokens.append(token)
        sample.log_probs.append(log_prob)
    return chosen


def _logits_alone(model: Any, sample: Sample) -> torch.Tensor:
    """The logits after what was said so far, of shape ``[1, words]``, computed in one pass with nothing beside it."""
    ids = torch.tensor([sample.said], device=next(model.parameters()).device)
    mask = torch.ones_like(ids)
    return last_logits(model, ids, mask, mask.cumsum(-1) - 1, new_cache(model.config))


def _drawn(
    logits: torch.Tensor, samples: Sequence[Sample], draws: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row the token drawn, its log-probability, and how near the draw was to another token, in probability."""
    temperatures = torch.tensor([s.params.temperature or 1.0 for s in samples], device=logits.device)
    log_probs = torch.log_softmax(logits.float() / temperatures[:, None], dim=-1)
    allowed = log_probs
    if any(s.params.top_k > 0 or s.params.top_p < 1.0 for s in samples):
        allowed = torch.stack([_narrowed(row, s.params) for row, s in zip(log_probs, samples, strict=True)])
    # Inverse of the cumulative distribution, in double precision: one uniform number of the row's own generator decides.
    cumulative = allowed.double().exp().cumsum(-1)
    places = torch.tensor(draws, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, places, right=True).clamp(max=logits.shape[-1] - 1)
    above = cumulative.gather(1, drawn) - places
    below = places - cumulative.gather(1, (drawn - 1).clamp(min=0)).where(drawn > 0, -1.0)
    chosen, edges = drawn.squeeze(1), torch.minimum(above, below).squeeze(1)
    if any(s.params.temperature == 0 for s in samples):
        greedy = torch.tensor([s.params.temperature == 0 for s in samples], device=logits.device)
        best = log_probs.topk(2, dim=-1)
        chosen = torch.where(greedy, best.indices[:, 0], chosen)
        edges = torch.where(greedy, (best.values[:, 0] - best.values[:, 1]).double(), edges)
    return chosen, log_probs.gather(1, chosen[:, None]).squeeze(1), edges


def _narrowed(row: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    ordered, order = row.sort(descending=True)
    dropped = torch.zeros_like(ordered, dtype=torch.bool)
    if params.top_k > 0:
        dropped[params.top_k :] = True
    if params.top_p < 1.0:
        before = ordered.exp().cumsum(-1) - ordered.exp()
        dropped |= before >= params.top_p
    return torch.empty_like(row).scatter(0, order, ordered.masked_fill(dropped, float("-inf")))
