"""Candidates and their schema and description evidence, by matrices of words; no loop over pairs of tools.

Words are hashed into a fixed number of columns (the hashing trick of Weinberger et al., 2009) and weighted by inverse document
frequency over the tools, so that a rare word (``reservation``) ties two names closer than a common one (``name``). A
thousand tools are a million pairs, but a few matrix products.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_COLUMNS = 2048
_PROBES = 3  # columns for each word: two words that share one column are then a third alike, not the same
_TYPES = ("", "string", "number", "integer")
# How well a value of the row's type serves an argument of the column's type; "" is unknown.
_TYPE_FIT: Floats = np.array(
    [[0.8, 0.8, 0.7, 0.7], [0.8, 1.0, 0.3, 0.3], [0.7, 0.5, 1.0, 0.6], [0.7, 0.6, 1.0, 1.0]], dtype=np.float32
)


class Vectors:
    """TF-IDF vectors of word lists in a fixed number of hashed columns."""

    def __init__(self, documents: Iterable[Iterable[str]]) -> None:
        """Count in how many ``documents`` (one per tool) each word is found."""
        counts: Counter[str] = Counter()
        total = 0
        for words in documents:
            counts.update(set(words))
            total += 1
        self._weights = {word: float(np.log((1 + total) / (1 + count)) + 0.2) for word, count in counts.items()}
        self._unseen = float(np.log(1 + total) + 0.2)

    def matrix(self, rows: Sequence[Sequence[str]]) -> Floats:
        """Unit vectors, one per word list; an empty list is a row of zeros."""
        at_row: list[int] = []
        at_column: list[int] = []
        weights: list[float] = []
        for row, words in enumerate(rows):
            for word in words:
                weight = self._weights.get(word, self._unseen)
                for column, sign in _columns(word):
                    at_row.append(row)
                    at_column.append(column)
                    weights.append(sign * weight)
        found = np.zeros((len(rows), _COLUMNS), dtype=np.float32)
        np.add.at(
            found, (np.array(at_row, dtype=np.int64), np.array(at_column, dtype=np.int64)), np.array(weights, dtype=np.float32)
        )
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(norms == 0, 1, norms), dtype=np.float32)


@lru_cache(maxsize=65536)
def _columns(word: str) -> list[tuple[int, float]]:
    digest = hashlib.blake2b(word.encode(), digest_size=4 * _PROBES).digest()
    numbers = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4)]
    return [((number >> 1) % _COLUMNS, 1.0 if number & 1 else -1.0) for number in numbers]


@dataclass(frozen=True)
class Best:
    """The best sources of each input: ``[inputs, k]`` arrays, best first.

    Attributes:
        tool: the source tool's number.
        fit: the evidence, 0..1.
        port: which output field gave it; -1 where the evidence is of the whole tool.
    """

    tool: Ints
    fit: Floats
    port: Ints


def type_codes(types: Iterable[str]) -> Ints:
    """Numbers for JSON types, as rows and columns of the table of fits."""
    known = {name: number for number, name in enumerate(_TYPES)}
    return np.array([known.get(name, 0) for name in types], dtype=np.int64)


def type_fit(source: str, target: str) -> float:
    """How well a value of one JSON type serves an argument of another, 0..1."""
    codes = type_codes([source, target])
    return float(_TYPE_FIT[codes[0], codes[1]])


def format_fit(source: str, target: str) -> float:
    """1 for the same format, 0.3 for two different ones, 0.9 where only one side tells, 1 where neither does."""
    if source == target:
        return 1.0
    return 0.3 if source and target else 0.9


def best_fields(
    inputs: Floats,
    outputs: Floats,
    *,
    input_types: Ints,
    output_types: Ints,
    input_formats: Sequence[str],
    output_formats: Sequence[str],
    output_weights: Floats,
    output_tools: Ints,
    near: Any,
    keep: int,
    chunk: int = 256,
) -> Best:
    """For each input the tools whose best output field fits it best by name, type and format.

    Args:
        inputs: ``[inputs, columns]`` name vectors.
        outputs: ``[outputs, columns]`` name vectors, sorted by tool.
        input_types: type codes, ``[inputs]``.
        output_types: type codes, ``[outputs]``.
        input_formats: format names, ``[inputs]``.
        output_formats: format names, ``[outputs]``.
        output_weights: factor of each output, ``[outputs]``.
        output_tools: the tool of each output, ascending, ``[outputs]``.
        near: ``(first, last) -> [last - first, tools with outputs]``: factor of each source tool for those inputs.
        keep: sources kept for each input.
        chunk: inputs handled at a time; bounds the memory.
    """
    if not len(outputs) or not len(inputs):
        return _nothing(len(inputs))
    tools, starts = np.unique(output_tools, return_index=True)
    ends = np.append(starts[1:], len(outputs))
    formats = {name: number for number, name in enumerate(dict.fromkeys(["", *input_formats, *output_formats]))}
    in_formats = np.array([formats[name] for name in input_formats], dtype=np.int64)
    out_formats = np.array([formats[name] for name in output_formats], dtype=np.int64)
    table = np.array([[format_fit(a, b) for b in formats] for a in formats], dtype=np.float32)
    keep = min(keep, len(tools))
    found_tool, found_fit, found_port = [], [], []
    for first in range(0, len(inputs), chunk):
        rows = slice(first, min(first + chunk, len(inputs)))
        fit = np.clip(inputs[rows] @ outputs.T, 0, 1)
        fit *= _TYPE_FIT.T[input_types[rows]][:, output_types]
        fit *= table[in_formats[rows]][:, out_formats]
        fit *= output_weights
        by_tool = np.maximum.reduceat(fit, starts, axis=1) * near(first, rows.stop, tools)
        columns, values = _top(by_tool, keep)
        ports = np.full(columns.shape, -1, dtype=np.int64)
        for row, column in np.argwhere(values > 0):
            begin, end = starts[columns[row, column]], ends[columns[row, column]]
            ports[row, column] = begin + int(np.argmax(fit[row, begin:end]))
        found_tool.append(tools[columns])
        found_fit.append(values)
        found_port.append(ports)
    return Best(np.concatenate(found_tool), np.concatenate(found_fit), np.concatenate(found_port))


def best_tools(inputs: Floats, sources: Floats, *, near: Any, keep: int, chunk: int = 512) -> Best:
    """For each input the tools whose description is nearest to the argument's; arguments as in :func:`best_fields`."""
    if not len(sources) or not len(inputs):
        return _nothing(len(inputs))
    tools = np.arange(len(sources), dtype=np.int64)
    keep = min(keep, len(tools))
    found_tool, found_fit = [], []
    for first in range(0, len(inputs), chunk):
        last = min(first + chunk, len(inputs))
        columns, values = _top(np.clip(inputs[first:last] @ sources.T, 0, 1) * near(first, last, tools), keep)
        found_tool.append(columns)
        found_fit.append(values)
    fit = np.concatenate(found_fit)
    return Best(np.concatenate(found_tool), fit, np.full(fit.shape, -1, dtype=np.int64))


def _top(scores: Floats, keep: int) -> tuple[Ints, Floats]:
    """The ``keep`` best columns of each row, best first, ties by column so that every machine agrees."""
    rounded = np.round(scores, 4)
    columns = (
        np.argpartition(-rounded, keep - 1, axis=1)[:, :keep]
        if keep < scores.shape[1]
        else np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    )
    values = np.take_along_axis(rounded, columns, axis=1)
    order = np.lexsort((columns, -values), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)


def _nothing(rows: int) -> Best:
    empty = np.zeros((rows, 0), dtype=np.int64)
    return Best(empty, np.zeros((rows, 0), dtype=np.float32), empty)
