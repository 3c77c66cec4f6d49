"""A request read without knowing its language: its clauses, and the literals of each with the words before them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from firefly_agents.offline.slots import ToolInfo
from firefly_agents.offline.words import telling, words
from firefly_mcp.tasks.slots import slots, written
from firefly_mcp.types import ToolKey

_END = re.compile(r"(?i)[.?!;]\s+|\b(?:then|next|after that|afterwards|lastly|finally)\b")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Clause:
    """A part of a request that asks for one thing.

    Attributes:
        text: its words, quoted texts blanked.
        literals: each value that it states, with the words before it.
    """

    text: str
    literals: tuple[tuple[tuple[str, ...], Any], ...]


def clauses_of(request: str) -> list[Clause]:
    """The clauses of a request, in order."""
    bare = _QUOTED.sub(lambda match: '"' + "x" * (len(match.group()) - 2) + '"', request)
    cuts = [0, *(match.end() for match in _END.finditer(bare)), len(request)]
    found = []
    for start, end in pairwise(cuts):
        text = request[start:end]
        if text.strip():
            found.append(Clause(_QUOTED.sub(" ", text), tuple(_literals(text))))
    return found


def _literals(text: str) -> list[tuple[tuple[str, ...], Any]]:
    found, at = [], 0
    for value in slots(text):
        place = text.find(written(value), at)
        if place < 0:
            continue
        before = _QUOTED.sub(" ", text[:place])
        found.append((tuple(words(re.sub(r"[^\w\s]", " ", before)))[-4:], value))
        at = place + len(written(value))
    return found


def best_tool(clause: Clause, infos: Mapping[ToolKey, ToolInfo]) -> ToolKey | None:
    """The offered tool that shares the most words with a clause; None where none shares its name's."""
    said = telling(clause.text)
    scored = [(len(said & set(words(key.tool))) + 0.3 * len(said & info.about), key) for key, info in infos.items()]
    score, best = max(scored, default=(0.0, None), key=lambda pair: (pair[0], str(pair[1])))
    return best if score >= 1 else None
