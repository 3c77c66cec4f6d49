"""Words for people: labels of fields, and the goal of a tool, taken from its own title and description after a filter.

What servers say is untrusted text. A phrase is kept only if it is plain words: no snake_case, markup, digits or quotes.
"""

from __future__ import annotations

import re

from firefly_mcp.state.verbs import is_verb
from firefly_mcp.types import Tool

MAX_GOAL_WORDS = 11

_SPLIT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z'-]*")
_CUT = re.compile(r"[.;:!?\n(\[{]| - | – | — |\b(?:e\.g|i\.e|such as|including|returning|optionally)\b")
_SOFT_CUT = (" using ", " based on ", " including ", " with ", " via ", " through ", " from ", " for ", " by ", ", ")
_MARKUP = re.compile(r"[*_`#>]+")
_GENERIC = frozenset(
    "result results value values data output item items entries records content text response id name type status".split()
)
_IRREGULAR = {"return": "find", "returns": "find", "run": "run"}
_DANGLING = frozenset(
    "a an and are as at be been by can for from has have if in into is not of on or the that to via when which with".split()
)
_FILLER = re.compile(
    r"^(?:this tool|this function|tool to|tool for|use this (?:tool )?to|allows? you to|a tool (?:to|for|that))\s+", re.I
)


def label(name: str) -> str:
    """A field's or argument's name as plain words: ``startDate`` and ``start_date`` are ``start date``."""
    words = [word if word.isupper() and len(word) > 1 else word.lower() for word in _SPLIT.findall(name)]
    return " ".join(word for word in words if not word.isdigit()) or "value"


def path_label(names: list[str]) -> str:
    """The label of a value by the keys that lead to it; a generic last key is told by the one before."""
    names = [name for name in names if label(name) != "value" or name]
    if not names:
        return "result"
    own = label(names[-1])
    parents = [label(name) for name in names[:-1] if label(name) not in _GENERIC]
    if own in _GENERIC and parents:
        return f"{_singular(parents[-1])} {own}"
    return own


def item_label(names: list[str]) -> str:
    """What one entry of a list is called by the keys that lead to the list."""
    named = [label(name) for name in names if label(name) not in _GENERIC and not label(name).endswith("results")]
    return _singular(named[-1]) if named else "entry"


def goal(tool: Tool) -> str:
    """What a tool does, as an imperative without a full stop: ``find the next business day``."""
    for source in (tool.description, tool.title):
        phrase = _phrase(source)
        if phrase and not ("_" in tool.name and tool.name.lower() in phrase.lower()):
            return phrase
    return _from_name(tool.name)


def _phrase(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    first = _FILLER.sub("", _CUT.split(_MARKUP.sub("", lines[0].replace("\u2194", " to ")))[0].strip())
    words = first.replace("/", " or ").split()
    comma = next((place for place, word in enumerate(words) if word.endswith(",") and place >= 2), None)
    words = words if comma is None else words[: comma + 1]
    if len(words) > MAX_GOAL_WORDS:
        joined = " ".join(words)
        cuts = [joined.find(cut, 12) for cut in _SOFT_CUT]
        end = min((cut for cut in cuts if cut > 0), default=-1)
        words = joined[:end].split() if end > 0 else []
    cleaned = [word.strip(",") for word in words]
    while cleaned and cleaned[-1].lower() in _DANGLING:
        cleaned.pop()
    if not 2 <= len(cleaned) <= MAX_GOAL_WORDS or not all(_PLAIN.fullmatch(word) for word in cleaned):
        return ""
    verb = _imperative(cleaned[0])
    if not is_verb(verb):
        return f"work out the {' '.join(cleaned)}"
    return " ".join([verb, *cleaned[1:]])


def _imperative(word: str) -> str:
    lower = word.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if re.search(r"(?:ss|us|is)$", lower) or not lower.endswith("s"):
        return lower
    if lower.endswith("ies"):
        return lower[:-3] + "y"
    return lower[:-2] if re.search(r"(?:sh|ch|x|ss|zz)es$", lower) else lower[:-1]


def _from_name(name: str) -> str:
    words = [word for word in label(name).split() if word]
    if is_verb(words[0]):
        return " ".join(words)
    return f"work out the {' '.join(words)}"


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def article(noun: str) -> str:
    """``a`` or ``an`` before the noun."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
