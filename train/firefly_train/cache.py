"""A cache of keys and values that grows in place, and attention that reads it without a copy: what sampling costs on a CPU.

transformers' own dynamic cache is copied whole for every token, and again for each group of heads that share their keys.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "firefly_sdpa"
"""The name to load a model with (``attn_implementation``)."""

_ROOM = 64
"""Places that a layer keeps free for tokens to come whenever it grows."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer in buffers with room; what is handed out are views of the part in use."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing."""
        super().__init__(*args, **kwargs)
        self._length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append, and give all: shapes ``[rows, heads, length, size]``."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        begin, self._length = self._length, self._length + key_states.shape[-2]
        self.keys = self._with(self.keys, key_states, begin)
        self.values = self._with(self.values, value_states, begin)
        return self.keys[:, :, : self._length], self.values[:, :, : self._length]

    def _with(self, buffer: torch.Tensor, states: torch.Tensor, begin: int) -> torch.Tensor:
        if buffer.numel() == 0 or buffer.shape[-2] < self._length:
            rows, heads, _, size = states.shape
            grown = states.new_empty((rows, heads, self._length + _ROOM, size))
            if begin:
                grown[:, :, :begin] = buffer[:, :, :begin]
            buffer = grown
        buffer[:, :, begin : self._length] = states
        return buffer

    def get_seq_length(self) -> int:
        """Tokens in use."""
        return self._length


def new_cache(config: Any) -> Cache:
    """An empty cache for a model: growing layers where it attends to everything, transformers' own else."""
    cache = DynamicCache(config=config)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        cache.layers = [GrowingLayer() for _ in cache.layers]
    return cache


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' ``sdpa``; for a single new token, heads that share their keys become rows of one query.

    Args:
        module: the attention module.
        query: ``[rows, heads, queries, size]``.
        key: ``[rows, shared heads, length, size]``; so is ``value``.
        value: see ``key``.
        attention_mask: broadcast to ``[rows, heads, queries, length]``.
        kwargs: what transformers passes on.
    """
    rows, heads, queries, size = query.shape
    shared = key.shape[1]
    if queries > 1 or heads == shared:
        given: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return given
    found = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, shared, heads // shared, size), key, value, attn_mask=attention_mask, scale=kwargs.get("scaling")
    )
    return found.reshape(rows, 1, heads, size), None


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
