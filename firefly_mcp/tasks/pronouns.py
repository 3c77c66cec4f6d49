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
    first = re.split(r"[.?!]\s", bare, maxsplit=1)[0]
    found = _POINTING.search(_ANNOUNCING.sub("", _RELATIVE.sub("", first)))
    return found.group() if found else ""
