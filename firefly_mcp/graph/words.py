"""Names and sentences as words: what the schema and the description evidence compare."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_SHORT = dict(
    pair.split(":")
    for pair in """
    num:number no:number nr:number qty:quantity amt:amount addr:address desc:description msg:message img:image
    lat:latitude lon:longitude lng:longitude dir:directory folder:directory filename:file filepath:path
    uuid:id identifier:id ids:id temp:temperature curr:currency acct:account org:organization repo:repository
    cfg:config param:parameter pct:percent tz:timezone url:uri link:uri txn:transaction
    """.split()
)

VERBS = frozenset(
    """
    add analyze analyse append apply assess assign book build calculate calc cancel change check close compare
    compute convert copy count create decode delete describe detect disable do download drop edit enable
    encode estimate evaluate execute export extract fetch filter find format generate get has import insert
    inspect is list load lookup make merge modify move open parse place plan plot post predict process put
    query read remove rename render reset resolve retrieve run save scan schedule search select send set show
    simulate solve sort split start stop store submit summarize sync test track transfer transform update
    upload upsert validate verify view write
    """.split()
)
"""Leading verbs of tool names; the rest of a name says what it is about."""

PRODUCERS = frozenset(
    """
    add book build calculate calc compute convert create describe extract fetch find generate get insert
    inspect list load lookup make open parse place plan query read resolve retrieve scan schedule search
    select show start store submit upload view
    """.split()
)
"""Verbs of tools that give something back which can be used further."""

GENERIC = frozenset(
    "id name title key code number value type status data result results item items object content text label count total index"
    " description info details output response message date time state path file url uri slug symbol amount".split()
)
"""Field names that mean nothing without the thing that they belong to."""

KNOBS = frozenset(
    """
    limit offset page per size max min maximum minimum count top timeout verbose format precision decimals
    digits sort order orderby direction dry force recursive depth lang language locale encoding indent width
    height dpi style theme color colour include exclude mode strict debug seed cursor skip take threshold
    tolerance iterations steps enabled flag overwrite
    """.split()
)
"""Words of arguments that steer how a tool works; no other tool's answer belongs there."""

ROLES = frozenset(
    """
    from to source target src dst start end begin origin destination departure arrival depart arrive return pick up drop off
    pickup dropoff new old current previous next first second last left right parent child base my your given other
    """.split()
)
"""Words that say what part a thing plays in a call, not what it is: ``pick_up_longitude`` is a longitude."""

_STOP = frozenset(
    """
    a an and any are as at be by can do e for from g given has have if in into is it its may must not of on or
    s such that the their them then this to use used using when which will with you your should optional
    required default parameter argument value values string integer number boolean list array object json tool
    returns return e.g i.e etc example examples
    """.split()
)


@lru_cache(maxsize=65536)
def name_words(name: str) -> tuple[str, ...]:
    """The words of an identifier, lower-case, singular, common abbreviations opened: ``flightNos`` → ``flight number``."""
    return tuple(_plain(word) for word in _WORD.findall(_CAMEL.sub(" ", name).replace("_", " ").lower()))


def text_words(text: str, *, limit: int = 120) -> list[str]:
    """The words of a description that carry meaning, at most ``limit``."""
    words = _WORD.findall(_CAMEL.sub(" ", text[:2000]).replace("_", " ").lower())
    return [_plain(word) for word in words if word not in _STOP and not (len(word) == 1 and word.isascii())][:limit]


def nouns(tool_name: str) -> tuple[str, ...]:
    """What a tool is about: the words of its name without the verbs; all of them if nothing else is left."""
    words = name_words(tool_name)
    kept = tuple(
        word for word in words if word not in VERBS and word not in ("by", "from", "to", "for", "all", "detail", "info")
    )
    return kept or words


def produces(tool_name: str) -> bool:
    """Whether the name's first verb says that the tool gives something back; names without a verb count as such."""
    verbs = [word for word in name_words(tool_name) if word in VERBS]
    return not verbs or verbs[0] in PRODUCERS


def without_role(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without those of :data:`ROLES`, unless nothing is left."""
    return tuple(word for word in words if word not in ROLES) or words


def is_generic(words: Iterable[str]) -> bool:
    """Whether a field's words need the thing that it belongs to."""
    return all(word in GENERIC for word in words)


def _plain(word: str) -> str:
    singular = _singular(_SHORT.get(word, word))
    return _SHORT.get(singular, singular)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as")):
        return word[:-1]
    return word
