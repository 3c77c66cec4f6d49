"""Demonstrations as token ids, in batches: what supervised steps read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from firefly_train.demonstrations import Demonstration
from firefly_train.vary import Variations

_SHELF = 8
"""Batches that are sorted by length together, so that little is padded."""

Example = tuple[list[int], list[int]]
"""A conversation's token ids, and 1 where the model spoke."""


class Examples:
    """The demonstrations as token ids, in a seeded order without end."""

    def __init__(self, tokenizer: Any, demonstrations: Sequence[Demonstration], *, vary: bool, seed: int) -> None:
        self._tokenizer = tokenizer
        self._demonstrations = demonstrations
        self._rng = random.Random(seed)
        self._variations = Variations(demonstrations) if vary else None
        self._ready = None if vary else [example(tokenizer, shown) for shown in demonstrations]

    def batches(self, size: int) -> Iterator[list[Example]]:
        """Batches of examples of about the same length."""
        waiting: list[int] = []
        while True:
            while len(waiting) < size * _SHELF:
                waiting += self._rng.sample(range(len(self._demonstrations)), len(self._demonstrations))
            taken, waiting = waiting[: size * _SHELF], waiting[size * _SHELF :]
            shelf = sorted((self._at(index) for index in taken), key=lambda example: len(example[0]))
            places = list(range(_SHELF))
            self._rng.shuffle(places)
            for place in places:
                yield shelf[place * size : (place + 1) * size]

    def _at(self, index: int) -> Example:
        if self._variations is None:
            assert self._ready is not None
            return self._ready[index]
        return example(self._tokenizer, self._variations.of(self._demonstrations[index], self._rng))


def example(tokenizer: Any, demonstration: Demonstration) -> Example:
    """The template must mark what the model speaks with ``{% generation %}``."""
    encoded = tokenizer.apply_chat_template(
        demonstration.messages,
        tools=demonstration.tools,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return encoded["input_ids"], encoded["assistant_masks"]


def parts(batch: Sequence[Example], most_tokens: int | None) -> Iterator[Sequence[Example]]:
    """The batch in runs of at most so many tokens when padded; an example that is longer makes one of its own."""
    begin, width = 0, 0
    for place, (ids, _) in enumerate(batch):
        width = max(width, len(ids))
        if most_tokens and place > begin and width * (place - begin + 1) > most_tokens:
            yield batch[begin:place]
            begin, width = place, len(ids)
    yield batch[begin:]
