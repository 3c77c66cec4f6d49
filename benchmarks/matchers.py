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
    counts = {tool: np.stack([_letters(text) for text, _ in found]) for tool, found in grouped.items()}

    def matcher(variant: Variant) -> Found:
        text, found = _text(variant.arguments), grouped[variant.base.tool]
        mine, theirs = _letters(text), counts[variant.base.tool]
        # The letters in common bound the ratio from above, as difflib's own quick_ratio does: the likeliest come first.
        bounds = 2.0 * np.minimum(theirs, mine).sum(axis=1) / (theirs.sum(axis=1) + mine.sum())
        compared = difflib.SequenceMatcher(autojunk=False)
        compared.set_seq2(text)
        best = MISS
        for at in np.argsort(-bounds, kind="stable"):
            if bounds[at] <= best.near:
                break
            compared.set_seq1(found[at][0])
            near = compared.ratio()
            if near > best.near:
                best = Found(found[at][1], near, "ratio")
        return best

    return matcher


def _letters(text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How often each character occurs, folded into 256 columns."""
    return np.bincount([ord(char) % 256 for char in text], minlength=256)
