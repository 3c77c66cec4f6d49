"""Guards on a pair of free texts: what an embedding cannot see, and what would make a near neighbour a wrong answer.

Measured on whole arguments, embeddings put ``Room 12`` next to ``Room 13``, opposites next to each other, and hardly move when
two names change places. Distance only ranks and bounds; each guard can refuse a pair, and what is refused is a declared miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from firefly_mcp.match.lexicon import antonyms, synonyms
from firefly_mcp.match.words import DIRECTED, NEGATIONS, Word, numerals, read, stem

Guard = Callable[[str, str], bool]


def same_numerals(asked: str, recorded: str) -> bool:
    """The same numbers: a number is an amount, a year or a part of a name, whatever stands around it."""
    return numerals(asked) == numerals(recorded)


def same_negation(asked: str, recorded: str) -> bool:
    """The same denials: one ``not`` more turns a request round and moves an embedding by almost nothing."""
    return _denials(asked) == _denials(recorded)


def same_entities(asked: str, recorded: str) -> bool:
    """Every name and place of either text is in the other: neighbours in meaning, Oslo and Bergen are different answers."""
    left, right = read(asked), read(recorded)
    left_texts, right_texts = {word.text for word in left}, {word.text for word in right}
    return all(word.text in right_texts for word in left if word.entity) and all(
        word.text in left_texts for word in right if word.entity
    )


def no_antonyms(asked: str, recorded: str) -> bool:
    """No word that only one text has is opposed to one that only the other has: opposites keep the same company."""
    left, right = {word.text for word in read(asked)}, {word.text for word in read(recorded)}
    return not any(antonyms(a, b) for a in left - right for b in right - left)


def same_content(asked: str, recorded: str) -> bool:
    """Each word that carries meaning has its counterpart: itself, its plural, or a listed synonym where it is no name.

    A word more or another one (red and blue, breakfast and dinner) is another request, near as its embedding may be.
    """
    return _paired(asked, recorded) is not None


def same_roles(asked: str, recorded: str) -> bool:
    """Nothing has changed places: ``from A to B`` may become ``to B from A``, but not ``from B to A``.

    Allowed are the same order; whole phrases moved together with the word that gives them their role; and one compound turned
    round a comma or a neutral preposition (``tickets for hotels in Rome``, ``tickets for Rome hotels``).
    """
    pairs = _paired(asked, recorded)
    if pairs is None:
        return False
    left, right = read(asked), read(recorded)
    known: dict[str, int] = {}
    order = [known.setdefault(word.text, at) for at, word in enumerate(left)]  # the same word twice is one and the same
    names = [order[at] for at, _ in sorted(pairs, key=lambda pair: pair[1])]
    if names == order:
        return True
    if _phrases(left, order) == _phrases(right, names):
        return True
    # What differs lies between the first and the last word that has moved.
    moved = [at for at in range(len(order)) if names[at] != order[at]]
    first, end = moved[0], moved[-1] + 1
    if any(word.text in DIRECTED for word in left[first:end]):
        return False
    return any(
        names[first:end] == order[at:end] + order[first:at] and _seam(left, at) != _seam(right, first + end - at)
        for at in range(first + 1, end)
    )


GUARDS: dict[str, Guard] = {
    guard.__name__: guard for guard in (same_numerals, same_negation, same_entities, no_antonyms, same_content, same_roles)
}
"""Every guard by name, the cheapest first."""


def refused(asked: str, recorded: str) -> str:
    """The name of the first guard that refuses the pair, or the empty string."""
    if asked == recorded:
        return ""
    return next((name for name, guard in GUARDS.items() if not guard(asked, recorded)), "")


def _denials(text: str) -> Counter[str]:
    return Counter(word.text for word in read(text) if word.text in NEGATIONS)


def _seam(words: tuple[Word, ...], at: int) -> bool:
    """Whether a phrase begins there, with a neutral preposition or none. A compound turned round has a seam on one side only.

    ``Y X`` may stand for ``X in Y``, but ``Y in X`` may not.
    """
    return words[at].phrase != words[at - 1].phrase and words[at].marker in ("", "·")


def _phrases(words: tuple[Word, ...], names: list[int]) -> list[tuple[str, tuple[int, ...]]]:
    """The phrases of a text, each with its role word and its words (by number), in an order of their own."""
    grouped: dict[int, list[int]] = {}
    markers: dict[int, str] = {}
    for word, name in zip(words, names, strict=True):
        grouped.setdefault(word.phrase, []).append(name)
        markers[word.phrase] = word.marker
    return sorted((markers[phrase], tuple(found)) for phrase, found in grouped.items())


@lru_cache(maxsize=16384)
def _paired(asked: str, recorded: str) -> tuple[tuple[int, int], ...] | None:
    """The words of both texts in pairs (by number), or None where a word has no counterpart."""
    left, right = read(asked), read(recorded)
    if len(left) != len(right):
        return None
    free = list(range(len(right)))
    waiting = list(range(len(left)))
    pairs: list[tuple[int, int]] = []
    for alike in (_equal, _inflected, _synonymous):
        still = []
        for at in waiting:
            other = next((b for b in free if alike(left[at], right[b])), None)
            if other is None:
                still.append(at)
            else:
                free.remove(other)
                pairs.append((at, other))
        waiting = still
    return None if waiting else tuple(pairs)


def _equal(left: Word, right: Word) -> bool:
    return left.text == right.text


def _inflected(left: Word, right: Word) -> bool:
    return not left.entity and not right.entity and stem(left.text) == stem(right.text)


def _synonymous(left: Word, right: Word) -> bool:
    if left.entity or right.entity or left.text in DIRECTED or right.text in DIRECTED:
        return False
    lefts, rights = {left.text, stem(left.text)}, {right.text, stem(right.text)}
    return any(rights & synonyms(word) for word in lefts) and not antonyms(left.text, right.text)
