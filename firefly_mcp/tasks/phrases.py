"""The plain words that a description or a title tells a tool's goal in.

What servers say is untrusted text. A phrase is kept only if it is plain words: no snake_case, markup, quotes or numbers, no
word that points at something outside of the request, and nothing that speaks to a model instead of telling what the tool does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firefly_mcp.tasks.imperatives import EVENTS, HEAD_END, QUESTIONS, acts, asked_for, head, imperative, is_acronym

MAX_GOAL_WORDS = 11

_PLAIN = re.compile(
    r"(?:\d{1,2}[Dx-](?=\w|\Z))?[A-Za-zÀ-ž0-9]?[A-Za-zÀ-ž][A-Za-zÀ-ž'-]*\d{0,3}[A-Za-zÀ-ž'-]*,?|\d{1,2}[Dx]\d{0,2}"
)
_ASIDE = re.compile(r"\s*\([^()]*\)")
_CUT = re.compile(
    r"[.;:!?\n(\[{\u2192]|[-=]>| - | – | — |\b(?:e\.g|i\.e|such as|including|returning|optionally)\b"
    r"|,? and (?:returns?|reports?|gives?|shows?)\b|,? (?:and|with|by|for|from|in|of) (?i:its|their|your|this|these)\b"
    r"|,? to (?i:your|this|these)\b"
    r"|,? so (?:that|subsequent)\b|,? suitable for\b| (?<!\ba )(?<!\bthe )(?<!\bany )(?<!\beach )given\b"
)
_SOFT_CUT = (" using ", " based on ", " including ", " with ", " via ", " through ", " from ", " for ", " by ", " to ", ", ")
_MARKUP = re.compile(r"[*_`#>]+")
_JOINED = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
_CODE = re.compile(r"[A-Z]\d+")
"""A name that only the server's own papers explain: ``C4``."""
_NEEDLESS = frozenset("given specified provided supplied certain particular deterministic".split())
_POINTING = frozenset("it its they them their this these those you your we our i my here above below following".split())
SHOUTED = frozenset("MUST WARNING ZERO ALWAYS NEVER ONLY IMPORTANT NOTE DEPRECATED PRIMARY REQUIRED CRITICAL USE CALL".split())
DANGLING = frozenset(
    """a an and are as at be been by can for from has have if in into is not of on or the that to via when which with new
    new, all back up across among against about towards until while where within between over under after before per
    than using""".split()
)
_DETERMINERS = frozenset("a an the all any one two three each every whether if multiple several existing new".split())
LATE_VERBS = frozenset(
    """filter get list create add update delete remove search find set show read write parse format analyze convert compare
    validate measure query apply check fetch""".split()
)
"""Verbs that are taken for the verb of a name even where they are not its first word."""
_ASKING = frozenset("get list fetch find search show retrieve calculate compute generate compare describe explain".split())
_SPANISH = frozenset("ano el la los las de del num numa que una un por para em da do uma os as com".split())
_ABBREVIATED = frozenset("art no nr sec fig para ch cf".split())
_PLAINER = (
    (re.compile(r"\u2194|(?<=\b[Mm]ap of )([\w ]+) (?:\u2192|->)"), r"\1 to"),
    (re.compile(r"(?<=\bto )(?:its|their) "), ""),
    (re.compile(r"\A([A-Z]\w+) [Yy]our "), r"\1 the "),
    (re.compile(r"(?<=\s)\.([a-z]{2,4})\b"), r"\1"),  # a new blank .docx document
    (re.compile(r"\b([A-Z])/([A-Z])\b"), r"\1\2"),  # the P/E ratio
    (re.compile(r"(?<=\bof )72\b"), "seventy-two"),
)
"""What is said in other words before a phrase is looked for."""
_FILLER = re.compile(
    r"^(?:this tool (?:is used to|can be used to|lets you|will)?|this function|tool to|tool for|use this (?:tool )?to"
    r"|allows? you to|lets you|a tool (?:to|for|that)|helper to|simply|first,|step \w+:)\s+",
    re.IGNORECASE,
)


def phrase(text: str, verb_of_name: str, description: str) -> str:
    """The goal that a text tells first, as an imperative; ``""`` if it tells none in plain words.

    Args:
        text: a description or a title.
        verb_of_name: the verb of the tool's name, with which a bare noun may be asked for.
        description: the whole description, to tell proper names from words of a title.
    """
    paragraph = " ".join(text.strip().split("\n\n", 1)[0].split())
    if not paragraph:
        return ""
    plain = _ASIDE.sub("", paragraph[:400])
    for wording, instead in _PLAINER:
        plain = wording.sub(instead, plain)
    first = _CUT.split(_FILLER.sub("", _MARKUP.sub("", _JOINED.sub(" ", plain))))[0].strip()
    words = [word for word in first.replace("/", " or ").split() if word.lower() not in _NEEDLESS]
    odd = next((place for place, word in enumerate(words) if not _PLAIN.fullmatch(word)), len(words))
    cut_short = odd < min(3, len(words))
    if odd and words[0].lower() == "as":  # "As real and imaginary parts"
        words, odd = words[1:], odd - 1
    open_ended = odd < len(words)
    words = _ended(_to_length(_without_open_list(words[:odd])), odd)
    if not 2 <= len(words) <= MAX_GOAL_WORDS or cut_short:
        return ""
    if len(words) <= 3 and (words[1].lower() in QUESTIONS or (open_ended and len(words[-1]) == 1)):
        return ""  # "calculate how long", "calculate k!" are cut off
    if words[-1].lower() == "tool" and len(words) > 2:
        words.pop()
    words[-1] = words[-1].rstrip(",")
    if not "".join(words).isascii():  # of another language, as a rule: the name says it as well
        return ""
    if len(_SPANISH & {word.lower() for word in words}) > 1:
        return ""
    if any(word.lower() in _POINTING or word in SHOUTED or _CODE.fullmatch(word) for word in words):
        return ""
    return _imperative_phrase(_sentence_case(words, description), verb_of_name)


def _ended(words: list[str], whole: int) -> list[str]:
    """The words, of so many, without those at the end that need another after them."""
    if words and words[-1].lower() in _ABBREVIATED:
        place = max((at for at, word in enumerate(words) if word in ("per", "by", "of", "in", "under")), default=len(words) - 1)
        words = words[:place]
    while words and words[-1].lower().strip(",") in DANGLING and not _names_operand(words):
        words = words[:-1]
    if 3 < len(words) < whole and words[-1].endswith("ed") and words[-2] not in ("are", "is"):  # "a guide organized by …"
        words = words[:-1]
    return words


def _names_operand(words: Sequence[str]) -> bool:
    """Whether the last word is no article but the operand ``a``, as in ``subtract b from a``; or compares."""
    if words[-1] == "than":
        return words[-2:-1] in (["greater"], ["less"])
    return words[-1] in ("a", "A") and "b" in [word.lower() for word in words] and len(words) > 2


def _without_open_list(words: list[str]) -> list[str]:
    """The words up to the first comma, or with the whole enumeration that it belongs to if that ends in the phrase."""
    comma = next((place for place, word in enumerate(words) if word.endswith(",")), None)
    if comma is None:
        return words
    begun = [_begins(words[at + 1 : at + 3]) for at in range(len(words) - 2) if words[at].endswith(",")]
    if sum(map(acts, begun)) > 1:
        return []  # "report the time, convert time zones, and format dates" are three things, of which a call does one
    least = 3 if len(words) > 1 and words[1].lower() in _DETERMINERS else 2
    ends = next((place for place in range(comma + 1, len(words)) if words[place].lower() in ("or", "and")), None)
    if ends is not None and ends - comma <= 6 and len(words) <= MAX_GOAL_WORDS:
        return words
    if ends is None and comma >= least and not any(word.endswith(",") for word in words[comma + 1 :]):
        return words[: comma + 1]
    before = " ".join(words[: comma + 1])
    cut = max(before.rfind(mark, 12) for mark in _SOFT_CUT)
    if cut > 0:
        return before[:cut].split()
    return words[: comma + 1] if comma >= least and acts(imperative(words[0])) else []


def _begins(words: Sequence[str]) -> str:
    """The first word of a member of an enumeration, as a verb would be said."""
    return imperative(words[1] if words[0] in ("and", "or") else words[0])


def _to_length(words: list[str]) -> list[str]:
    if len(words) <= MAX_GOAL_WORDS:
        return words
    joined = " ".join(words)
    cuts = [cut for mark in _SOFT_CUT for cut in (joined.rfind(mark, 12, 80),) if cut > 0]
    for cut in sorted(cuts, reverse=True):
        shorter = joined[:cut].split()
        if len(shorter) <= MAX_GOAL_WORDS - 1:
            return shorter
    return []


def _sentence_case(words: Sequence[str], description: str) -> list[str]:
    """Lower case for words that have a capital only because they begin a sentence or stand in a title."""
    capital = [word[:1].isupper() and not is_acronym(word) for word in words]
    titled = len(words) > 1 and sum(capital) >= len(words) - sum(word in DANGLING for word in words) - 1 and sum(capital) > 1

    def lower(place: int, word: str) -> bool:
        if not capital[place] or (place + 1 < len(words) and capital[place + 1] and not lower(place + 1, words[place + 1])):
            return False  # a name of several words: "Monte Carlo"
        if word.endswith("'s"):
            return acts(imperative(word[:-2]))
        return place == 0 or (titled and not re.search(rf"(?<=[a-z,] ){re.escape(word)}\b", description))

    return [word.lower() if lower(place, word) else word for place, word in enumerate(words)]


def _imperative_phrase(words: Sequence[str], verb_of_name: str) -> str:
    first = words[0].lower().rstrip(",")
    if first.endswith("ly") and len(words) > 2 and acts(imperative(words[1])):
        return f"{first} {_imperative_phrase(words[1:], verb_of_name)}"
    if first in QUESTIONS:
        return f"find out {' '.join(words)}"
    verb = imperative(words[0].rstrip(","))
    if words[0].endswith(","):
        return " ".join([f"{verb},", *words[1:]]) if acts(verb) else ""
    act = acts(verb) and words[1:2] != ["of"]  # "map of areas" is a noun
    if act or (len(words) > 1 and words[1].lower() in _DETERMINERS and "-" not in first[:1]):
        rest = [
            imperative(w) if words[i] in ("and", "or") and w.endswith("s") and acts(imperative(w)) else w
            for i, w in enumerate(words[1:])
        ]
        return with_article(" ".join([verb, *rest]))
    noun = " ".join(words)
    if HEAD_END.split(noun)[0].count(",") > 1 or (
        verb_of_name in LATE_VERBS and verb_of_name not in _ASKING and head(noun).lower() not in EVENTS
    ):
        return ""
    asking = verb_of_name if verb_of_name in _ASKING and verb_of_name not in noun.split() else ""
    if first in ("the", "a", "an"):
        return f"{asking or 'get'} {noun}"
    return asked_for(noun, asking)


def with_article(phrase: str) -> str:
    """``delete task`` is ``delete the task``; what is plural, or has its own determiner, stays."""
    verb, rest = re.fullmatch(r"(look up|\S+) ?(.*)", phrase).groups()  # type: ignore[union-attr]
    words = rest.split()
    if not words or len(words[0]) == 1 or words[0].endswith("ly") or (words[0][0].isupper() and not words[0].isupper()):
        return phrase
    if words[0].lower() in _DETERMINERS | DANGLING | {
        "if",
        "whether",
        "how",
        "up",
        "out",
        "down",
        "off",
        "through",
    }:
        return phrase
    thing = re.split(r" (?:of|for|between|from|in|with|on|to|using|by|into|at|as|and) ", rest)[0]
    return phrase if thing.endswith("s") and not thing.endswith("ss") else f"{verb} the {rest}"
