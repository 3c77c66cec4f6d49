"""Does a request point at something that it never said? A reader without the plan must know what every word refers to."""

from __future__ import annotations

import re

from firefly_mcp.tasks.slots import placed_slots

_ALONE = re.compile(r"\b(?:it|its|they|them|their|theirs|he|she|his|her|him)\b", re.IGNORECASE)
_POINTING = re.compile(r"\b(?:this|that|these|those|there|such|former|latter)\b", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\bthat (?:has|have|is|are|was|were|step|comes?|gives?|gave|can|do|does|it|you|affect|matche?s?|contains?)\b",
    re.IGNORECASE,
)
_ANNOUNCING = re.compile(
    r"(?:do this for me|like this|begin this way|this way|by this|with this|for this|for that)\b", re.IGNORECASE
)
_EXISTENTIAL = re.compile(r"\bthere (?:is|are|was|were)\b|\b(?:is|are) there\b", re.IGNORECASE)
_ENOUGH_BEFORE = 5
_PAST = frozenset("paid made sent held bought sold left got said went came took gave won led met ran kept".split())
_BEFORE_A_POINTER = frozenset("of for with from in on at to by and or use using take get find see do that this".split())


def unresolved(request: str) -> str:
    """The first pronoun without a noun before it, ``""`` when there is none.

    Personal pronouns are never resolved: a request has several things that they could mean. "This" and "that" are, where an
    earlier sentence says what they point at.
    """
    text = list(request)
    for start, end, _ in placed_slots(request):
        text[start:end] = "x" * (end - start)
    bare = "".join(text)
    found = _ALONE.search(bare)
    if found:
        return found.group()
    first = re.split(r"[.?!:;]\s", bare, maxsplit=1)[0]
    first = _ANNOUNCING.sub("", _RELATIVE.sub("", _EXISTENTIAL.sub("", first)))
    return next((found.group() for found in _POINTING.finditer(first) if not _named(first, found)), "")


def _named(sentence: str, pointer: re.Match[str]) -> bool:
    """Whether the sentence itself names before what the word points at: a place for "there", the noun that follows "that"
    ("the price of … at that price"), or the noun before a relative clause ("the airport that serves …").
    """
    before = re.findall(r"[a-z]+", sentence[: pointer.start()].lower())
    after = re.findall(r"[a-z]+", sentence[pointer.end() :].lower())
    if pointer.group().lower() == "there":
        return len(before) >= _ENOUGH_BEFORE
    if after and after[0].rstrip("s") in {word.rstrip("s") for word in before}:
        return True
    relative = pointer.group().lower() == "that" and bool(after) and (after[0].endswith(("s", "ed")) or after[0] in _PAST)
    return relative and bool(before) and before[-1] not in _BEFORE_A_POINTER
