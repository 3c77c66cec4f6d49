"""The built-in embedder: words, their synonyms and their letters hashed into columns; no model, no download, 0.1 ms a text.

The hashing trick of Weinberger et al. (2009). Words that are only manner weigh nothing, a listed synonym counts half, and the
letters (in threes, as in fastText) keep a misspelt word near. It knows no meaning beyond that: what it cannot see is a miss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from firefly_mcp.embed.protocol import Vectors, unit
from firefly_mcp.match.lexicon import synonyms
from firefly_mcp.match.words import folded, read, stem

_PROBES = 2
_LETTERS = 0.3
_SYNONYM = 0.5
_PAIR = 0.15


class HashingEmbedder:
    """See the module."""

    name = "hashing-1"
    dimensions = 224  # four vectors to a page of SQLite; from 240 on each would take a page of its own
    threshold = 0.4

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 ``[n, 224]``."""
        made = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for feature, weight in _features(text):
                for column, sign in _columns(feature):
                    made[row, column] += sign * weight
        return unit(made)


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = [stem(word.text) for word in read(text)] or folded(text).split() or [text]
    for at, word in enumerate(words):
        yield f"w {word}", 1.0
        for other in sorted({stem(other) for other in synonyms(word)} - {word})[:6]:
            yield f"w {other}", _SYNONYM
        padded = f"^{word}$"
        grams = [padded[start : start + 3] for start in range(len(padded) - 2)]
        for gram in grams:
            yield f"g {gram}", _LETTERS / len(grams) ** 0.5
        if at:
            yield f"p {' '.join(sorted((words[at - 1], word)))}", _PAIR


@lru_cache(maxsize=65536)
def _columns(feature: str) -> list[tuple[int, float]]:
    digest = hashlib.blake2b(feature.encode(), digest_size=4 * _PROBES).digest()
    numbers = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4)]
    return [((number >> 1) % HashingEmbedder.dimensions, 1.0 if number & 1 else -1.0) for number in numbers]
