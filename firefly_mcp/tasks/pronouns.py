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


_NAMED_BEFORE = 3
"""So many words before a pronoun, or a literal, can have named what it stands for."""


def unresolved(request: str, *, strict: bool = True) -> str:
    """The first pronoun that points at nothing, ``""`` when there is none.

    Args:
        request: its text.
        strict: as the grammar writes: no personal pronoun at all, for a request has several things that it could mean, and no
            "this" or "that" in the first sentence, before which nothing was said. Else only a pronoun with which a request all
            but begins is unresolved; whoever else writes can see that the others are.
    """
    bare = list(request)
    for start, end, _ in placed_slots(request):
        bare[start:end] = "x" * (end - start)
    text = "".join(bare)
    first = _ANNOUNCING.sub("", _RELATIVE.sub("", re.split(r"[.?!]\s", text, maxsplit=1)[0]))
    if strict:
        found = _ALONE.search(text) or _POINTING.search(first)
        return found.group() if found else ""
    opening = " ".join(re.split(r"x{3,}", first, maxsplit=1)[0].split()[: _NAMED_BEFORE + 1])
    found = _ALONE.search(opening) or re.search(rf"(?:{_POINTING.pattern})(?=[,;]|\s+(?:and|as|to|with)\b|$)", opening, re.I)
    return found.group() if found else ""
