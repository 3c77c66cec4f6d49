"""Near-duplicate requests: pairs of texts whose sets of word 4-grams are nearly the same.

An exact join with the prefix filter of Bayardo, Ma and Srikant (2007): two sets whose Jaccard similarity is at least t share
one of the rarest 4-grams of each, so only such pairs are compared.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

WORDS = 4
NEAR = 0.85


def shingles(text: str) -> frozenset[str]:
    """The word 4-grams of a text; a shorter text is one by itself."""
    words = text.lower().split()
    return frozenset(" ".join(words[at : at + WORDS]) for at in range(max(1, len(words) - WORDS + 1)))


def near_pairs(texts: Sequence[str], near: float = NEAR) -> Iterator[tuple[int, int]]:
    """The places of every two texts whose 4-grams have a Jaccard similarity of at least ``near``, the later one first."""
    sets = [shingles(text) for text in texts]
    counts = Counter(gram for grams in sets for gram in grams)
    holders: dict[str, list[int]] = defaultdict(list)
    for place, grams in enumerate(sets):
        rarest = sorted(grams, key=lambda gram: (counts[gram], gram))
        prefix = rarest[: len(grams) - math.ceil(near * len(grams)) + 1]
        candidates = {other for gram in prefix for other in holders[gram]}
        for other in sorted(candidates):
            if len(grams & sets[other]) >= near * len(grams | sets[other]):
                yield place, other
        for gram in prefix:
            holders[gram].append(place)
