"""One more token for every sequence of a batch: step by step as it comes, or on a card as one recorded graph of kernels.

A model of a hundred million parameters has a thousand small kernels a token, and to start them one by one takes a card longer
than to run them. A CUDA graph starts them all at once; it needs tensors that stay where they are, so the cache of keys and
values has a fixed length there, and sequences that have ended are left in it until half of them have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from firefly_train.cache import GrowingLayer

ROOM = 128
"""Tokens that a graph's cache has room for; after so many it is made anew, longer."""


class Decoder(Protocol):
    """A batch that was read, and goes on token by token; its rows are numbered from 0."""

    rows: int

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row (``[rows]``); gives the logits of the next, ``[rows, words]``, until the next step."""

    def worth_keeping(self, running: int) -> bool:
        """Whether to let go of the rows that have ended, when so many have not."""

    def keep(self, rows: torch.Tensor) -> None:
        """Keep these rows only, in this order."""


MakeDecoder = Callable[[Any, Cache, torch.Tensor, torch.Tensor], Decoder]
"""Makes a decoder of a model, the cache of its prompts, their mask and their last positions."""


def decoder_for(model: Any, cache: Cache, mask: torch.Tensor, positions: torch.Tensor) -> Decoder:
    """The decoder of this model on its device.

    Args:
        model: a transformers causal language model.
        cache: of the prompts.
        mask: 1 where a prompt has a token, ``[rows, length]``.
        positions: of each row's last token, ``[rows, 1]``.
    """
    if mask.is_cuda and all(type(layer) is GrowingLayer for layer in cache.layers):
        return GraphDecoder(model, cache, mask, positions)
    return StepDecoder(model, cache, mask, positions)


class StepDecoder:
    """Calls the model for each token; rows that have ended are let go at once."""

    def __init__(self, model: Any, cache: Cache, mask: torch.Tensor, positions: torch.Tensor) -> None:
        """Go on from what was read (see :func:`decoder_for`)."""
        self.rows = len(mask)
        self._model, self._cache, self._mask, self._positions = model, cache, mask, positions

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """See :class:`Decoder`."""
        self._mask = torch.cat([self._mask, self._mask.new_ones((self.rows, 1))], dim=1)
        self._positions = self._positions + 1
        return last_logits(self._model, tokens[:, None], self._mask, self._positions, self._cache)

    def worth_keeping(self, running: int) -> bool:
        """See :class:`Decoder`."""
        return running < self.rows

    def keep(self, rows: torch.Tensor) -> None:
        """See :class:`Decoder`."""
        self._cache.batch_select_indices(rows)
        self._mask, self._positions, self.rows = self._mask[rows], self._positions[rows], len(rows)


class GraphDecoder:
    """Records the model's kernels for one token as a CUDA graph, and replays it for each.

    ``recorded=False`` calls the model instead, with the same tensors: for a machine without a card, to test the rest.
    """

    def __init__(self, model: Any, cache: Cache, mask: torch.Tensor, positions: torch.Tensor, *, recorded: bool = True) -> None:
        """Go on from what was read (see :func:`decoder_for`)."""
        self._model = model
        self._recorded = recorded
        self._begin(cache, mask, positions)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """See :class:`Decoder`."""
        if self._used == ROOM:
            self.keep(torch.arange(self.rows, device=tokens.device))
        self._tokens.copy_(tokens[:, None])
        self._used += 1
        if self._graph is None:
            return self._forward()
        self._graph.replay()
        return self._logits

    def worth_keeping(self, running: int) -> bool:
        """See :class:`Decoder`."""
        return running * 2 <= self.rows

    def keep(self, rows: torch.Tensor) -> None:
        """See :class:`Decoder`."""
        length = self._length + self._used
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[rows, :, :length], layer.values[rows, :, :length]
        self._graph = None
        self._begin(self._cache, self._mask[rows, 0, 0, :length], self._positions[rows])

    def _begin(self, cache: Cache, mask: torch.Tensor, positions: torch.Tensor) -> None:
        self.rows, self._length = len(mask), mask.shape[1]
        self._used = 0
        device = mask.device
        self._place = torch.tensor([self._length], device=device)
        layers = []
        while cache.layers:
            layers.append(FixedLayer(cache.layers.pop(0), self._length, self._place))
        self._cache = DynamicCache()
        self._cache.layers = layers
        self._mask = torch.zeros((self.rows, 1, 1, self._length + ROOM), dtype=torch.bool, device=device)
        self._mask[:, 0, 0, : self._length] = mask.bool()
        self._positions = positions.clone()
        self._tokens = torch.zeros((self.rows, 1), dtype=torch.long, device=device)
        self._graph = self._record() if self._recorded else None

    def _forward(self) -> torch.Tensor:
        self._positions += 1
        self._mask.index_fill_(3, self._place, True)
        logits = last_logits(self._model, self._tokens, self._mask, self._positions, self._cache)
        self._place += 1
        return logits

    def _record(self) -> torch.cuda.CUDAGraph:
        positions = self._positions.clone()
        # Libraries set themselves up in their first calls, which must not be recorded.
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self._forward()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._logits = self._forward()
        self._positions.copy_(positions)
        self._place.fill_(self._length)
        self._mask[:, :, :, self._length :] = False
        return graph


class FixedLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer in buffers that stay where they are, handed out whole; a mask says what counts."""

    def __init__(self, filled: Any, length: int, place: torch.Tensor) -> None:
        """Take over a layer's first ``length`` tokens; the next goes to ``place``, a tensor that its owner moves on."""
        super().__init__()
        self.lazy_initialization(filled.keys, filled.values)
        self.keys, self.values = (_roomy(states, length) for states in (filled.keys, filled.values))
        self._place = place

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token's, and give all: shapes ``[rows, heads, length, size]``."""
        self.keys.index_copy_(2, self._place, key_states)
        self.values.index_copy_(2, self._place, value_states)
        return self.keys, self.values


def _roomy(states: torch.Tensor, length: int) -> torch.Tensor:
    rows, heads, _, size = states.shape
    # Zeros: what a mask leaves out is still multiplied, and must be a number.
    roomy = states.new_zeros((rows, heads, length + ROOM, size))
    roomy[:, :, :length] = states[:, :, :length]
    return roomy


def last_logits(model: Any, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache) -> torch.Tensor:
    """The logits after these tokens, ``[rows, words]``, which go into the cache."""
    out = model(
        input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    logits: torch.Tensor = out.logits[:, -1]
    return logits
