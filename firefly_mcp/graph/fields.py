"""Which output fields fit which arguments, by the words of their names, their types and formats.

Names are compared as TF-IDF vectors of their words, so that a rare word (``reservation``) ties two names closer than a common
one (``name``). Fields that are alike (same words, type and format) are one *kind*, whatever tools they belong to; kinds are
compared through an inverted index of their words (Zobel and Moffat, 2006), and only tools whose fields fit are looked at.
A thousand tools are a million pairs; none is visited that shares no word.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firefly_mcp.graph.ports import Input, Output
from firefly_mcp.types import Tool

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TYPES = ("", "string", "number", "integer")
# How well a value of the row's type serves an argument of the column's type; "" is unknown.
_TYPE_FIT: Floats = np.array([[0.8, 0.8, 0.7, 0.7], [0.8, 1.0, 0.3, 0.3], [0.7, 0.5, 1.0, 0.6], [0.7, 0.6, 1.0, 1.0]])
ACROSS_SERVERS = 0.7
"""What a fit between two servers is worth, beside one within a server."""
NO_PRODUCER = 0.5
"""What an output of a tool is worth whose name says that it gives nothing back."""


@dataclass(frozen=True)
class FieldMatch:
    """Output ``port`` of ``tool`` fits argument ``row``: ``fit`` in all, ``name`` by the names alone, 0..1."""

    row: int
    tool: int
    port: int
    fit: float
    name: float


def type_fit(source: str, target: str) -> float:
    """How well a value of one JSON type serves an argument of another, 0..1."""
    return float(_TYPE_FIT[_type_code(source), _type_code(target)])


def format_fit(source: str, target: str) -> float:
    """1 for the same format, 0.3 for two different ones, 0.9 where only one side tells, 1 where neither does."""
    if source == target:
        return 1.0
    return 0.3 if source and target else 0.9


def match_fields(
    inputs: Sequence[Input], outputs: Sequence[Output], tools: Sequence[Tool], producers: Floats, *, least: float, keep: int
) -> Iterator[FieldMatch]:
    """For each argument the ``keep`` tools whose output fields fit it best, best first, ties by the tool's number.

    Args:
        inputs: the arguments.
        outputs: the output fields.
        tools: the tools, in the order of their numbers.
        producers: ``[tools]``, what an output of each tool is worth.
        least: fits below are left out.
        keep: tools for each argument.
    """
    if not inputs or not outputs:
        return
    names = {name: number for number, name in enumerate(dict.fromkeys(tool.server for tool in tools))}
    servers: Ints = np.array([names[tool.server] for tool in tools], dtype=np.int64)
    index = _Kinds(inputs, outputs)
    rows: dict[tuple[tuple[str, ...], str, str], list[int]] = defaultdict(list)
    for row, entry in enumerate(inputs):
        rows[entry.words, entry.type, entry.format].append(row)
    for (words, kind, form), members in rows.items():
        found = index.serving(words, kind, form, producers, least)
        if not len(found.tool):
            continue
        for row in members:
            own = inputs[row].tool
            same = np.flatnonzero(servers[found.tool] == servers[own])
            # The best of other servers are at the head, once those of this server and the tool itself are set aside.
            near = np.union1d(np.arange(min(len(found.tool), keep + 1 + len(same))), same)
            factor = np.where(servers[found.tool[near]] == servers[own], 1.0, ACROSS_SERVERS)
            fit = np.round(np.where(found.tool[near] == own, 0.0, found.fit[near] * factor), 4)
            for place in np.lexsort((found.tool[near], -fit))[:keep]:
                at = near[place]
                if fit[place] >= least:
                    yield FieldMatch(row, int(found.tool[at]), int(found.port[at]), float(fit[place]), float(found.name[at]))


@dataclass(frozen=True)
class _Serving:
    """Tools that can serve a kind of argument, best first: parallel arrays."""

    tool: Ints
    port: Ints
    fit: Floats
    name: Floats


class _Kinds:
    """The kinds of output fields, with an inverted index of their words."""

    def __init__(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
        per_tool: dict[int, set[str]] = defaultdict(set)
        for tool, words in [(port.tool, port.words) for port in inputs] + [(port.tool, port.words) for port in outputs]:
            per_tool[tool].update(words)
        self._idf = idf(per_tool.values())
        kinds: dict[tuple[tuple[str, ...], str, str, float], dict[int, int]] = {}
        for number, output in enumerate(outputs):
            kinds.setdefault((output.words, output.type, output.format, output.weight), {}).setdefault(output.tool, number)
        self._formats = [key[2] for key in kinds]
        self._codes: Ints = np.array([_type_code(key[1]) for key in kinds], dtype=np.int64)
        self._worth: Floats = np.array([key[3] for key in kinds])
        self._starts: Ints = np.cumsum([0, *(len(members) for members in kinds.values())])
        self._tools: Ints = np.array([tool for members in kinds.values() for tool in members], dtype=np.int64)
        self._ports: Ints = np.array([port for members in kinds.values() for port in members.values()], dtype=np.int64)
        postings: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for number, key in enumerate(kinds):
            for word, value in self._vector(key[0]).items():
                postings[word][0].append(number)
                postings[word][1].append(value)
        self._postings = {word: (np.array(at, dtype=np.int64), np.array(values)) for word, (at, values) in postings.items()}
        names = {name: number for number, name in enumerate(dict.fromkeys(self._formats))}
        self._format_codes: Ints = np.array([names[name] for name in self._formats], dtype=np.int64)
        self._format_names = list(names)

    def serving(self, words: tuple[str, ...], kind: str, form: str, producers: Floats, least: float) -> _Serving:
        """The tools with a field that fits, each by its best field, best first."""
        cosine = np.zeros(len(self._codes))
        for word, value in self._vector(words).items():
            posting = self._postings.get(word)
            if posting is not None:
                cosine[posting[0]] += value * posting[1]
        near = np.flatnonzero(cosine >= least)
        forms = np.array([format_fit(name, form) for name in self._format_names])
        name = np.minimum(cosine[near], 1.0)
        fit = name * _TYPE_FIT[self._codes[near], _type_code(kind)] * forms[self._format_codes[near]] * self._worth[near]
        near, name, fit = near[fit >= least], name[fit >= least], fit[fit >= least]
        sizes = self._starts[near + 1] - self._starts[near]
        # Members of several kinds in one go: for each kind its start, counted on.
        at = np.repeat(self._starts[near] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes) + np.arange(sizes.sum())
        at = at.astype(np.int64)
        tools, fits, names = self._tools[at], np.repeat(fit, sizes), np.repeat(name, sizes)
        fits = fits * producers[tools]
        order = np.lexsort((self._ports[at], tools, -np.round(fits, 6)))
        _, first = np.unique(tools[order], return_index=True)
        order = order[np.sort(first)]
        return _Serving(tools[order], self._ports[at][order], fits[order], names[order])

    def _vector(self, words: tuple[str, ...]) -> dict[str, float]:
        weights = {word: count * self._idf[word] for word, count in Counter(words).items()}
        norm = sum(value * value for value in weights.values()) ** 0.5
        return {word: value / norm for word, value in weights.items()} if norm else {}


def idf(documents: Iterable[Iterable[str]]) -> dict[str, float]:
    """The inverse document frequency of every word, smoothed so that a word of all documents still counts a little."""
    counts: Counter[str] = Counter()
    total = 0
    for words in documents:
        counts.update(set(words))
        total += 1
    return {word: float(np.log((1 + total) / (1 + count)) + 0.2) for word, count in counts.items()}


def _type_code(name: str) -> int:
    return _TYPES.index(name) if name in _TYPES else 0
