"""Free text as words: what carries meaning, what is only manner, and what stands in which role.

English only as far as the word lists go; other languages have no droppable words and no synonyms here, so that their texts
match only where every word is the same.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"(?<![\w])-(?=\d)|\d+(?:[.,:/]\d+)*(?![^\W\d_])|[^\W_]+(?:['’][^\W_]+)*|[<>=$€£¥%#@+*^~|&]|[,;:!?()/\n]|\.(?=\s+[^\W\d_a-z])"
)
_NUMERAL = re.compile(r"(?:(?<![\w])-)?\d+(?:[.,:/]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_NUMBER_WORDS = {
    word: str(number)
    for words, numbers in (
        ("zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
         " nineteen twenty", (0, *range(2, 21))),
        ("thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen",
         (30, 40, 50, 60, 70, 80, 90, 100, 1000, 1000000, 1000000000, 12)),
    )
    for word, number in zip(words.split(), numbers, strict=True)
}  # fmt: skip
_MANNER = frozenset(
    "a an the some any is are am be being been do does has have having that which what whats there please kindly".split()
)
_REQUEST = frozenset(
    "i im id me my we us you can could would will like want need wish show find search get give tell look looking list fetch"
    " retrieve see let lets help trying hi hello hey for about up out".split()
)
"""Words that are only manner while nothing else has been said: ``could you show me …``."""
_WISHES = frozenset("want need wish like love trying looking going".split())
NEUTRAL = frozenset("in at on of for with within inside".split())
"""Prepositions that may come or go when their phrase moves: ``hotels in Rome``, ``Rome hotels``."""
DIRECTED = frozenset(
    "from to into onto over under before after than versus vs via through by between until till since against toward towards"
    " above below behind beyond but instead per as if when while because or not no without except during".split()
)
"""Words that give what follows a role: it may move with them, but not without."""
NEGATIONS = frozenset(
    "not no never without none neither nor except excluding exclude excludes avoid avoiding unless nothing nobody hardly non"
    " instead lacking minus barring".split()
)
_BREAKS = frozenset(",;:.!?()/\n")
_LEAD_STOP = frozenset(",.!?")


_PLURALS = dict(
    pair.split("/")
    for pair in "children/child people/person men/man women/woman feet/foot teeth/tooth mice/mouse geese/goose lives/life"
    " knives/knife wives/wife leaves/leaf halves/half shelves/shelf criteria/criterion data/datum".split()
)
_JOINED = {("close", "to"): "near", ("nearby", "to"): "near", ("next", "to"): "beside", ("as", "well"): "also"}
"""Two words that are one."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word that carries meaning.

    Attributes:
        text: case-folded, without accents; a number without its thousands separators.
        entity: written as a name, or in a place's position: no other word stands for it.
        marker: the role word before its phrase, ``·`` for a neutral one, empty for none.
        phrase: number of its phrase; a phrase ends at punctuation, ``and`` and the next role word.
    """

    text: str
    entity: bool
    marker: str
    phrase: int


@lru_cache(maxsize=65536)
def numerals(text: str) -> list[str]:
    """The numbers inside a text, in digits and sorted; they identify even where the words around them do not.

    What each number counts is left to the order of words (:func:`firefly_mcp.match.guards.same_roles`).
    """
    found = [_plain(match[0]) for match in _NUMERAL.finditer(text)]
    found += [_NUMBER_WORDS[match[0].lower()] for match in _NUMBER_WORD.finditer(text)]
    return sorted(found)


_NUMBER_WORD = re.compile(r"\b(?:" + "|".join(_NUMBER_WORDS) + r")\b", re.IGNORECASE)


def _plain(number: str) -> str:
    return number.replace(",", "") if _GROUPED.fullmatch(number) else number


def folded(text: str) -> str:
    """Case-folded and without accents: ``São`` is ``sao``."""
    if text.isascii():
        return text.lower()
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A noun without its plural ending (the S-stemmer of Harman, 1991, and the commonest irregular plurals)."""
    if word in _PLURALS:
        return _PLURALS[word]
    if len(word) > 4 and word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


@lru_cache(maxsize=65536)
def read(text: str) -> tuple[Word, ...]:
    """The words of a text that carry meaning, in order."""
    tokens = _tokens(text)
    shout = text.isupper()
    found: list[Word] = []
    marker, phrase, fresh, leading, place = "", 0, True, True, False
    for at, (token, capital) in enumerate(tokens):
        if token in _BREAKS or token in ("and", "&"):
            if not fresh:
                marker, phrase, fresh = "", phrase + 1, True
            leading = leading and token in _LEAD_STOP
            place = False
            continue
        if token in _MANNER or (leading and (token in _REQUEST or (token == "to" and at > 0 and tokens[at - 1][0] in _WISHES))):
            place = False
            continue
        if token in NEUTRAL or token in DIRECTED:
            phrase += 0 if fresh else 1
            marker, fresh, leading = "·" if token in NEUTRAL else token, True, False
            place = token in ("in", "at", "from", "to")
            if token in DIRECTED:
                found.append(Word(token, False, marker, phrase))
            continue
        following = next((cap for word, cap in tokens[at + 1 : at + 2] if word not in _BREAKS), False)
        name = capital and not shout and (at > 0 or following or len(tokens) == 1)
        found.append(Word(_NUMBER_WORDS.get(token, token), name or place, marker, phrase))
        fresh, leading = False, False
        place = place and name
    return tuple(found)


def _tokens(text: str) -> list[tuple[str, bool]]:
    made: list[tuple[str, bool]] = []
    for match in _TOKEN.finditer(text):
        raw = match[0]
        capital = raw[0].isupper()
        token = _plain(folded(raw)).replace("’", "'")
        if token == "w" and text[match.end() : match.end() + 2].lower() == "/o":
            token = "without"
        if "'" in token:
            base, _, tail = token.partition("'")
            if tail == "t" and base.endswith("n"):
                made += [({"can": "can", "won": "will", "shan": "shall"}.get(base, base[:-1]), False), ("not", False)]
                continue
            token = base if tail in ("s", "re", "ve", "ll", "d", "m", "") else base + tail
        if token == "cannot":
            made += [("can", False), ("not", False)]
            continue
        if made and (made[-1][0], token) in _JOINED:
            made[-1] = (_JOINED[(made[-1][0], token)], made[-1][1])
            continue
        made.append((token, capital))
    return made
