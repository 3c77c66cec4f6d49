"""The goal of a tool in plain words, taken from its own description, title or name after a filter.

What servers say is untrusted text. A phrase is kept only if it is plain words: no snake_case, markup, quotes or numbers, no
word that points at something outside of the request, and nothing that speaks to a model instead of telling what the tool does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from firefly_mcp.state.verbs import is_verb
from firefly_mcp.tasks.labels import label as label
from firefly_mcp.tasks.labels import path_label as path_label
from firefly_mcp.types import Tool

MAX_GOAL_WORDS = 11

_PLAIN = re.compile(
    r"(?:\d{1,2}[Dx-](?=\w|\Z))?[A-Za-zÀ-ž0-9]?[A-Za-zÀ-ž][A-Za-zÀ-ž'-]*\d{0,3}[A-Za-zÀ-ž'-]*,?|\d{1,2}[Dx]\d{0,2}"
)
_ASIDE = re.compile(r"\s*\([^()]*\)")
_CUT = re.compile(
    r"[.;:!?\n(\[{]| - | – | — |\b(?:e\.g|i\.e|such as|including|returning|optionally)\b"
    r"|,? and (?:returns?|reports?|gives?|shows?)\b|,? (?:and|with|by|for|from|to|in|of) (?i:its|their|your|this|these)\b"
    r"|,? so (?:that|subsequent)\b|,? suitable for\b"
)
_SOFT_CUT = (" using ", " based on ", " including ", " with ", " via ", " through ", " from ", " for ", " by ", " to ", ", ")
_MARKUP = re.compile(r"[*_`#>]+")
_JOINED = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
_CODE = re.compile(r"[A-Z]\d+")
"""A name that only the server's own papers explain: ``C4``."""
_NEEDLESS = frozenset("given specified provided supplied certain particular deterministic".split())
_POINTING = frozenset("it its they them their this these those you your we our i my here above below following".split())
_SHOUTED = frozenset("MUST WARNING ZERO ALWAYS NEVER ONLY IMPORTANT NOTE DEPRECATED PRIMARY REQUIRED CRITICAL USE CALL".split())
_DANGLING = frozenset(
    """a an and are as at be been by can for from has have if in into is not of on or the that to via when which with new
    new, all back up across among against about towards until while where within between over under after before per
    than using""".split()
)
_DETERMINERS = frozenset("a an the all any one two three each every whether if multiple several existing new".split())
_OTHER_VERBS = frozenset(
    """auto-fit drill express fire match substitute work append bundle cherry-pick clean combine compile conduct count
    crawl crop cross customize decompose draft draw echo emit enter evaluate fill blur filter find flatten flip
    sharpen watermark freeze gather give group guess highlight isolate label make manage map mask maximize minimize
    pack perform pick pivot print produce project prove raise report rationalize rebuild redact reduce reflect reshape
    resize restore reverse rotate stage strip overlay regenerate supply correct provision widen salvage scale scrub
    set shift shorten shuffle slice smooth swap tabulate take trim turn unpack use wrap""".split()
)
_LATE_VERBS = frozenset(
    """filter get list create add update delete remove search find set show read write parse format analyze convert compare
    validate measure query apply check fetch""".split()
)
"""Verbs that are taken for the verb of a name even where they are not its first word."""
_ASKING = frozenset("get list fetch find search show retrieve calculate compute generate compare describe explain".split())
_IRREGULAR = {
    "return": "find",
    "returns": "find",
    "eval": "evaluate",
    "calc": "calculate",
    "is": "test for",
    "has": "look for",
    "lookup": "look up",
}
_EVENTS = frozenset(
    """analysis audit check comparison conversion decomposition editing elimination inspection interpolation lookup
    management operations redaction regression search simulation test update validation""".split()
)
_MEANS = frozenset(
    """algorithm approach calculations calculator converter equation formula function method procedure sieve solver
    technique theorem""".split()
)
"""What is used to find something; it is not what is found."""
_SPANISH = frozenset("el la los las de del que una un por para em da do uma os as com".split())
_QUESTIONS = frozenset("how what where whether which who why".split())
_FINDS = re.compile(r"(?:find|get|calculate|compute|work out|determine|count|retrieve|fetch|show) the (.+)")
_HEAD_END = re.compile(r" (?:of|for|between|from|in|with|on|to|using|by|at|within|across|that|and|or|under|over|into|as) ")
_FILLER = re.compile(
    r"^(?:this tool (?:is used to|can be used to|lets you|will)?|this function|tool to|tool for|use this (?:tool )?to"
    r"|allows? you to|lets you|a tool (?:to|for|that)|helper to|simply|first,|step \w+:)\s+",
    re.IGNORECASE,
)


def goal(tool: Tool) -> str:
    """What a tool does, as an imperative without a full stop: ``find the next business day``."""
    return goals(tool)[0]


def short_goal(tool: Tool) -> str:
    """The same in as few words as its description or title allows; its name only where both are silent or long."""
    told = goals(tool)
    return min(told[:-1] or told, key=lambda phrase: (len(phrase.split()), len(phrase)))


def outcome(tool: Tool) -> str:
    """What the tool finds, where its goal says so, else ``""``: of ``find the weekday name for a date`` the weekday name."""
    found = _FINDS.fullmatch(goal(tool))
    noun = _HEAD_END.split(found.group(1))[0].split() if found else []
    return " ".join(noun) if 1 <= len(noun) <= 4 and noun[-1].lower() not in _DANGLING | _EVENTS | _MEANS else ""


def sought(said: str) -> str:
    """The noun phrase of a goal that finds something, with its article: ``the weekday name for a date``; else ``""``."""
    found = _FINDS.fullmatch(said)
    if found is None or _HEAD_END.split(found.group(1))[0].split()[-1].lower() in _MEANS | _EVENTS:
        return ""
    return said[found.start(1) - 4 :]


def goals(tool: Tool) -> tuple[str, ...]:
    """Every goal that the tool's description, title and name offer, the best first."""
    return _goals(tool.server, tool.name, tool.title or "", tool.description)


@lru_cache(maxsize=20_000)
def _goals(server: str, name: str, title: str, description: str) -> tuple[str, ...]:
    by_name = _from_name(server, name, f"{title} {description}")
    verb = by_name.split()[0]
    # A title made of a name with its group before it ("Textextraction  Ocr Pdf") says no more than the name.
    titled = "" if "__" in name else _phrase(title, verb, description)
    found = [_phrase(description, verb, description), titled]
    told = [phrase for phrase in found if phrase and not ("_" in name and name.lower() in phrase.lower())]
    return (*dict.fromkeys(told), by_name)


def _phrase(text: str, verb_of_name: str, description: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n", 1)[0].split())
    if not paragraph:
        return ""
    plain = _MARKUP.sub("", _JOINED.sub(" ", _ASIDE.sub("", paragraph[:400].replace("\u2194", " to "))))
    first = _CUT.split(_FILLER.sub("", plain))[0].strip()
    words = [word for word in first.replace("/", " or ").split() if word.lower() not in _NEEDLESS]
    odd = next((place for place, word in enumerate(words) if not _PLAIN.fullmatch(word)), len(words))
    cut_short = odd < min(3, len(words))
    words = _to_length(_without_open_list(words[:odd]))
    while words and words[-1].lower().strip(",") in _DANGLING and not _names_operand(words):
        words.pop()
    if not 2 <= len(words) <= MAX_GOAL_WORDS or cut_short:
        return ""
    if words[-1].lower() == "tool" and len(words) > 2:
        words.pop()
    words[-1] = words[-1].rstrip(",")
    if not "".join(words).isascii():  # of another language, as a rule: the name says it as well
        return ""
    if len(_SPANISH & {word.lower() for word in words}) > 1:
        return ""
    if any(word.lower() in _POINTING or word in _SHOUTED or _CODE.fullmatch(word) for word in words):
        return ""
    return _imperative_phrase(_sentence_case(words, description), verb_of_name)


def _names_operand(words: Sequence[str]) -> bool:
    """Whether the last word is no article but the operand ``a``, as in ``subtract b from a``."""
    return words[-1] in ("a", "A") and len(words) > 2 and words[-2].lower() in ("from", "and", "by", "to", "with")


def _without_open_list(words: list[str]) -> list[str]:
    """The words up to the first comma, or with the whole enumeration that it belongs to if that ends in the phrase."""
    comma = next((place for place, word in enumerate(words) if word.endswith(",")), None)
    if comma is None:
        return words
    begun = [_begins(words[at + 1 : at + 3]) for at in range(len(words) - 2) if words[at].endswith(",")]
    if sum(map(_acts, begun)) > 1:
        return []  # "report the time, convert time zones, and format dates" are three things, of which a call does one
    ends = next((place for place in range(comma + 1, len(words)) if words[place].lower() in ("or", "and")), None)
    if ends is not None and ends - comma <= 6 and len(words) <= MAX_GOAL_WORDS:
        return words
    if (
        ends is None
        and comma >= (3 if words[1].lower() in _DETERMINERS else 2)
        and not any(word.endswith(",") for word in words[comma + 1 :])
    ):
        return words[: comma + 1]
    before = " ".join(words[: comma + 1])
    cut = max(before.rfind(mark, 12) for mark in _SOFT_CUT)
    return before[:cut].split() if cut > 0 else []


def _begins(words: Sequence[str]) -> str:
    """The first word of a member of an enumeration, as a verb would be said."""
    return _imperative(words[1] if words[0] in ("and", "or") else words[0])


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
    capital = [word[:1].isupper() and not _is_acronym(word) for word in words]
    titled = len(words) > 1 and sum(capital) >= len(words) - sum(word in _DANGLING for word in words) - 1 and sum(capital) > 1

    def lower(place: int, word: str) -> bool:
        if not capital[place]:
            return False
        return place == 0 or (titled and not re.search(rf"(?<=[a-z,] ){re.escape(word)}\b", description))

    return [word.lower() if lower(place, word) else word for place, word in enumerate(words)]


def _is_acronym(word: str) -> bool:
    return any(char.isupper() for char in word[1:]) or (len(word) == 1 and word != "A")


def _imperative_phrase(words: Sequence[str], verb_of_name: str) -> str:
    first = words[0].lower().rstrip(",")
    if first.endswith("ly") and len(words) > 2 and _acts(_imperative(words[1])):
        return f"{first} {_imperative_phrase(words[1:], verb_of_name)}"
    if first in _QUESTIONS:
        return f"find out {' '.join(words)}"
    verb = _imperative(words[0].rstrip(","))
    if words[0].endswith(","):
        return " ".join([f"{verb},", *words[1:]]) if _acts(verb) else ""
    if _acts(verb) or (len(words) > 1 and words[1].lower() in _DETERMINERS and "-" not in first[:1]):
        rest = [
            _imperative(w) if words[i] in ("and", "or") and w.endswith("s") and _acts(_imperative(w)) else w
            for i, w in enumerate(words[1:])
        ]
        return _with_article(" ".join([verb, *rest]))
    noun = " ".join(words)
    if verb_of_name in _LATE_VERBS and verb_of_name not in _ASKING:
        return ""
    asking = verb_of_name if verb_of_name in _ASKING and not noun.startswith(verb_of_name) else ""
    if first in ("the", "a", "an"):
        return f"{asking or 'get'} {noun}"
    head = re.split(r" (?:of|for|between|from|in|with|on|to|using) ", noun)[0].split()[-1]
    return f"{'run' if head in _EVENTS else asking or 'work out'} the {noun}"


def _with_article(phrase: str) -> str:
    """``delete task`` is ``delete the task``; what is plural, or has its own determiner, stays."""
    verb, rest = re.fullmatch(r"(look up|\S+) ?(.*)", phrase).groups()  # type: ignore[union-attr]
    words = rest.split()
    if not words or len(words[0]) == 1 or words[0].endswith("ly") or (words[0][0].isupper() and not words[0].isupper()):
        return phrase
    if words[0].lower() in _DETERMINERS | _DANGLING | {
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
    head = re.split(r" (?:of|for|between|from|in|with|on|to|using|by|into|at|as|and) ", rest)[0]
    return phrase if head.endswith("s") and not head.endswith("ss") else f"{verb} the {rest}"


def _acts(verb: str) -> bool:
    first = verb.split()[0]
    if first in _QUESTIONS:
        return False
    return is_verb(first) or first in _OTHER_VERBS


def _imperative(word: str) -> str:
    lower = word.lower() if not _is_acronym(word) else word
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if re.search(r"(?:ss|us|is)$", lower) or not lower.endswith("s"):
        return lower
    if lower.endswith("ies"):
        return lower[:-3] + "y"
    return lower[:-2] if re.search(r"(?:sh|ch|x|ss|zz)es$", lower) else lower[:-1]


def _from_name(server: str, name: str, told: str) -> str:
    """The goal by the tool's name: its verb first, without the words of the server's own name before it.

    A word that ``told``, title and description, write in capitals is an acronym.
    """
    capitals = set(re.findall(r"\b[A-Z]{2,6}\b", told)) - _SHOUTED
    name = name.rsplit("__", 1)[-1]
    words = [word.upper() if word.upper() in capitals and len(word) < 7 else word for word in label(name).split()]
    own = set(re.findall(r"[a-z]+", server.lower()))
    core = own - {"mcp", "server", "tools", "lite", "py"}
    while words[0].lower() in own and not is_verb(words[0].lower()) and len(words) > (1 if core == {words[0].lower()} else 2):
        words.pop(0)
    if words[0].lower() in _QUESTIONS:
        return f"find out {' '.join(words)}"
    late = (at for at, word in enumerate(words) if at and at in (1, 2, len(words) - 1) and word.lower() in _LATE_VERBS)
    acronym = words[0].isupper() and len(words[0]) > 1  # FIRE is no act
    place = 0 if _acts(words[0].lower()) and not acronym else next(late, None)
    if len(words) == 1 and place == 0:
        return _IRREGULAR.get(words[0].lower(), words[0].lower())
    if place is None or len(words) == 1:
        return f"run the {' '.join(words)}" if words[-1].lower() in _EVENTS else f"work out the {' '.join(words)}"
    while len(words) > 2 and words[-1].lower() in _DANGLING:
        words.pop()
    verb = _IRREGULAR.get(words[place].lower(), words[place].lower())
    rest = words[:place] + words[place + 1 :]
    return _with_article(" ".join([verb, *rest])) if place == 0 else " ".join([verb, "the", *rest])
