"""How near an argument's description is to what a tool says of itself and of its output: matrices, no loop over pairs of tools.

Words are hashed into a fixed number of columns (the hashing trick of Weinberger et al., 2009) and weighted by inverse document
frequency over the tools. Any embedder can stand in for that (:class:`Embeds`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firefly_mcp.graph.fields import idf

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Near = Callable[[int, int], Floats]
"""``near(first, last)``: a factor for each of these inputs and every tool, ``[last - first, tools]``."""

_COLUMNS = 1024
_PROBES = 3  # columns for each word: two words that share one column are then a third alike, not the same
_CHUNK = 1024


class Embeds(Protocol):
    """Turns texts into vectors of length 1: float32 ``[n, dimensions]``."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """One row per text."""


class Vectors:
    """TF-IDF vectors of word lists in a fixed number of hashed columns."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        """Count in how many ``documents`` (one per tool) each word is found."""
        self._weights = idf(documents)
        self._unseen = float(np.log(1 + len(documents)) + 0.2)

    def matrix(self, rows: Sequence[Sequence[str]]) -> Floats:
        """Unit vectors, one per word list; an empty list is a row of zeros."""
        at: list[int] = []
        weights: list[float] = []
        for row, words in enumerate(rows):
            for word in words:
                weight = self._weights.get(word, self._unseen)
                for column, sign in _columns(word):
                    at.append(row * _COLUMNS + column)
                    weights.append(sign * weight)
        flat = np.bincount(
            np.array(at, dtype=np.int64), weights=np.array(weights, dtype=np.float64), minlength=len(rows) * _COLUMNS
        )
        found = flat.reshape(len(rows), _COLUMNS).astype(np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(norms == 0, 1, norms), dtype=np.float32)


@lru_cache(maxsize=65536)
def _columns(word: str) -> list[tuple[int, float]]:
    digest = hashlib.blake2b(word.encode(), digest_size=4 * _PROBES).digest()
    numbers = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4)]
    return [((number >> 1) % _COLUMNS, 1.0 if number & 1 else -1.0) for number in numbers]


@dataclass(frozen=True)
class Best:
    """The best tools of arguments, as parallel arrays in order of row, best first; ``fit`` has the nearness counted in."""

    row: Ints
    tool: Ints
    fit: Floats


@dataclass(frozen=True)
class Described:
    """Arguments and tools as vectors, made a chunk at a time: 30,000 arguments need not be in memory at once.

    Attributes:
        inputs: the vectors of arguments ``first`` to ``last``.
        sources: the vectors of all tools.
        count: how many arguments there are.
    """

    inputs: Callable[[int, int], Floats]
    sources: Floats
    count: int

    def best(self, near: Near, *, least: float, keep: int) -> Best:
        """For each argument the ``keep`` tools whose description is nearest, ties by number; fits below ``least`` left out."""
        parts: list[tuple[Ints, Ints, Floats]] = []
        for first in range(0, self.count, _CHUNK):
            last = min(first + _CHUNK, self.count)
            scores = self.inputs(first, last) @ self.sources.T
            scores *= near(first, last)
            rows, tools = np.nonzero(scores >= least)
            # Rounded, so that machines whose matrix products differ in the last digit agree.
            fits = np.round(scores[rows, tools], 4)
            order = np.lexsort((tools, -fits, rows))
            rows, tools, fits = rows[order], tools[order], fits[order]
            rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
            parts.append((rows[rank < keep] + first, tools[rank < keep], fits[rank < keep]))
        if not parts:
            return Best(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        return Best(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def similarity(self, rows: Ints, tools: Ints) -> Floats:
        """The cosines of arguments and tools, pair by pair."""
        found = np.zeros(len(rows), dtype=np.float32)
        for first in range(0, self.count, _CHUNK):
            last = min(first + _CHUNK, self.count)
            at = np.flatnonzero((rows >= first) & (rows < last))
            if len(at):
                found[at] = np.einsum("ij,ij->i", self.inputs(first, last)[rows[at] - first], self.sources[tools[at]])
        return np.asarray(np.clip(found, 0, 1), dtype=np.float32)


def by_words(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> Described:
    """Tools and arguments as word lists, compared as TF-IDF vectors."""
    vectors = Vectors(sources)
    return Described(lambda first, last: vectors.matrix(targets[first:last]), vectors.matrix(sources), len(targets))


def by_embedder(embedder: Embeds, sources: Sequence[str], targets: Sequence[str]) -> Described:
    """Tools and arguments as texts, compared by an embedder; equal texts are embedded once."""
    places = {text: number for number, text in enumerate(dict.fromkeys(targets))}
    table = embedder.embed(list(places)) if places else np.zeros((0, 1), dtype=np.float32)
    rows: Ints = np.array([places[text] for text in targets], dtype=np.int64)
    known = {text: number for number, text in enumerate(dict.fromkeys(sources))}
    tools: Ints = np.array([known[text] for text in sources], dtype=np.int64)
    made = embedder.embed(list(known))[tools] if known else np.zeros((0, 1), dtype=np.float32)
    return Described(lambda first, last: table[rows[first:last]], made, len(targets))
