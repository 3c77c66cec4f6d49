"""What ``fidelity.py`` compares: our ladder through the real engine, and what others do instead."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.booking import SERVER
from benchmarks.complexfuncbench import Recorded
from benchmarks.variants import Variant, canonical
from firefly_mcp.embed import Embedder, Vectors
from firefly_mcp.embed.protocol import unit
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.semantic import SemanticNeighbours
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind, params_of


class Found(NamedTuple):
    """The recorded call that a matcher answers from, and how near it says that is (1 is equal); None is a miss."""

    call: Recorded | None
    near: float
    kind: str


Matcher = Callable[[Variant], Found]
MISS = Found(None, 0.0, "miss")


def ladder(
    recording: Recording,
    index: ReplayIndex,
    calls: Sequence[Recorded],
    highest: MatchKind,
    embedder: Embedder | None = None,
    guarded: bool = True,
) -> Matcher:
    """Replay itself, all calls in one session: nothing here has state. Recorded calls are known by their ids, from 1."""
    neighbours = SemanticNeighbours(recording, index, embedder, guarded=guarded) if embedder is not None else None
    session = Replay(recording, ReplayPolicy(match=highest), index, neighbours).session()

    def matcher(variant: Variant) -> Found:
        answer = session.answer(SERVER, "tools/call", params_of(variant.base.tool, variant.arguments))
        if answer.call is None:
            return MISS
        return Found(calls[answer.call.id - 1], 1 - answer.distance, str(answer.kind))

    return matcher


def _by_tool(calls: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    distinct = {canonical(call.tool, call.arguments): call for call in calls}
    grouped: dict[str, list[Recorded]] = defaultdict(list)
    for call in distinct.values():
        grouped[call.tool].append(call)
    return grouped


def _text(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False)


def embedding(calls: Sequence[Recorded], variants: Sequence[Variant], embedder: Embedder) -> Matcher:
    """The nearest recorded call of the tool by the cosine of the whole arguments as JSON: what most "semantic" replays do."""
    grouped = _by_tool(calls)
    vectors = {tool: embedder.embed([_text(call.arguments) for call in found]) for tool, found in grouped.items()}
    texts = sorted({_text(variant.arguments) for variant in variants})
    asked = dict(zip(texts, embedder.embed(texts), strict=True))

    def matcher(variant: Variant) -> Found:
        near = vectors[variant.base.tool] @ asked[_text(variant.arguments)]
        best = int(np.argmax(near))
        return Found(grouped[variant.base.tool][best], float(near[best]), "embedding")

    return matcher


class Letters:
    """Whole JSON as the letters in it (2 to 4 in a row), hashed: the usual model-free embedding of a string."""

    name, dimensions, threshold = "letters", 1024, 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1."""
        made = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for gram in _grams(text):
                made[row, hash_of(gram) % self.dimensions] += 1.0
        return unit(made)


def _grams(text: str) -> Iterator[str]:
    for size in (2, 3, 4):
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def hash_of(text: str) -> int:
    """FNV-1a, 32 bits: the same in every process."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def ratio(calls: Sequence[Recorded]) -> Matcher:
    """The nearest recorded call of the tool by ``difflib``'s ratio of the arguments as JSON."""
    grouped = {tool: [(_text(call.arguments), call) for call in found] for tool, found in _by_tool(calls).items()}

    def matcher(variant: Variant) -> Found:
        compared = difflib.SequenceMatcher(autojunk=False)
        compared.set_seq2(_text(variant.arguments))
        best = MISS
        for text, call in grouped[variant.base.tool]:
            compared.set_seq1(text)
            # Upper bounds first: most recorded calls cannot be the nearest.
            if compared.real_quick_ratio() > best.near and compared.quick_ratio() > best.near:
                near = compared.ratio()
                if near > best.near:
                    best = Found(call, near, "ratio")
        return best

    return matcher
