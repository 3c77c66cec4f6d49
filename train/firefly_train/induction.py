"""Wire an induction head into a model with random weights: two attention heads that look one and two tokens back, and one that
finds the place where the last two tokens were said before and repeats what came after them.

Pretrained language models have such heads and copy with them whatever stands in their context (Olsson et al. 2022, "In-context
Learning and Induction Heads"). A tiny model would need more tokens to come upon them than two cores can give it. Everything
stays trainable, and all other weights are random.

The residual stream of width 4w + 1 or more holds four parts of width w: the token (written by the embedding), the token before,
the one before that (written by the first layer), and the token to be said (written by the second, read by the output matrix).
One place is 1 for every token, so that a query and a key can be the same everywhere; what is left of their product is the
rotary embedding's function of the distance, which has its maximum where the query's phase puts it.
"""

from __future__ import annotations

import math
from typing import Any

import torch

NEAR = 8
"""The fastest rotations tell neighbours apart."""
STEADY = 14
"""From this rotation on a head of 64 hardly turns over some hundred tokens, with a rotary base of a million."""
BASE = 1_000_000.0
SHARP_NEAR, SHARP_SAME = 5.0, 3.0
"""How much steeper than at random these heads look."""
VOICE = 6.0
"""How loudly a repeated token is said, against what is in the stream already."""


def wire(model: Any, seed: int) -> None:
    """Wire the first two layers of a Qwen3 model, in place.

    Args:
        model: with untied embeddings, a rotary base of :data:`BASE`, two layers or more, and two query heads or more for each
            key head.
        seed: of the tokens' codes.
    """
    config = model.config
    size, width = config.head_dim, (config.hidden_size - 1) // 4
    token, before, earlier, said = (slice(1 + place * width, 1 + (place + 1) * width) for place in range(4))
    generator = torch.Generator().manual_seed(seed)
    codes = torch.nn.functional.normalize(torch.randn(config.vocab_size, width, generator=generator), dim=-1)
    with torch.no_grad():
        embedding, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embedding.mul_(0.1)
        embedding[:, 0] = 1.0
        embedding[:, token] = codes * math.sqrt(width)
        output[:, said] = codes
        _look_back(model.model.layers[0].self_attn, size, token, (before, earlier))
        _repeat(model.model.layers[1].self_attn, size, token, before, earlier, said, generator)


def _pair(rotation: int, size: int) -> tuple[int, int]:
    """The two places of a head that one rotation turns."""
    return rotation, rotation + size // 2


def _look_back(attention: Any, size: int, token: slice, targets: tuple[slice, slice]) -> None:
    """Heads 0 and 1, which share a key head, attend to the token one and two places back and write down which it is."""
    width = token.stop - token.start
    for weight in (attention.k_proj.weight[:size], attention.v_proj.weight[:size], attention.q_proj.weight[: 2 * size]):
        weight.zero_()
    attention.o_proj.weight[:, : 2 * size] = 0.0
    attention.v_proj.weight[:width, token] = torch.eye(width)
    for head, target in enumerate(targets):
        attention.o_proj.weight[target, head * size : head * size + width] = torch.eye(width)
    for rotation in range(NEAR):
        real, imaginary = _pair(rotation, size)
        attention.k_proj.weight[real, 0] = 1.0
        attention.q_norm.weight[[real, imaginary]] = SHARP_NEAR
        speed = BASE ** (-2 * rotation / size)
        for head, distance in enumerate((1, 2)):
            attention.q_proj.weight[head * size + real, 0] = math.cos(distance * speed)
            attention.q_proj.weight[head * size + imaginary, 0] = -math.sin(distance * speed)


def _repeat(
    attention: Any, size: int, token: slice, before: slice, earlier: slice, said: slice, generator: torch.Generator
) -> None:
    """Head 0 attends to where the two tokens before were the last two, and says what is there."""
    width = token.stop - token.start
    places = [place for rotation in range(STEADY, size // 2) for place in _pair(rotation, size)]
    half = len(places) // 2
    attention.k_proj.weight[:size] = 0.0
    attention.v_proj.weight[:size] = 0.0
    attention.q_proj.weight[:size] = 0.0
    attention.o_proj.weight[:, :size] = 0.0
    attention.q_norm.weight[places] = SHARP_SAME
    for rows, asked, shown in ((places[:half], token, before), (places[half:], before, earlier)):
        mixing = torch.linalg.qr(torch.randn(width, width, generator=generator))[0][: len(rows)]
        for row, mixed in zip(rows, mixing, strict=True):
            attention.q_proj.weight[row, asked] = mixed
            attention.k_proj.weight[row, shown] = mixed
    attention.v_proj.weight[:width, token] = torch.eye(width)
    attention.o_proj.weight[said, :width] = VOICE * torch.eye(width)
