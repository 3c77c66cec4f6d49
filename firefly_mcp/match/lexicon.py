"""Synonyms and antonyms: which words may stand for each other in free text, and which never.

Both lists are small choices from WordNet (``docs/make_lexicon.py`` says which), with spellings that differ between countries.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache, lru_cache
from importlib.resources import files

_MORE_SYNONYMS = """
photo photograph picture
centre center
theatre theater
colour color
neighbourhood neighborhood area
near close nearby
flat apartment
mobile cellphone
lorry truck
holiday vacation
cinema theater
inexpensive cheap affordable
fast quick rapid
find locate
book reserve
reservation booking
intl international
st street
ave avenue
rd road
pic picture
info information
approx approximately
"""
_MORE_ANTONYMS = """
cheap expensive luxury
cheapest dearest priciest
lowest highest
most least
more less fewer
before after
open closed
arrival departure
arrive depart
include exclude
enable disable
add remove delete
create delete destroy
start stop end
increase decrease reduce
buy sell
lend borrow
inbound outbound
ascending descending
incoming outgoing
indoor outdoor
earliest latest
oldest newest
with without
north south
east west
first last
next previous
import export
upload download
encrypt decrypt
allow deny forbid
accept reject decline
win lose
"""


def synonyms(word: str) -> frozenset[str]:
    """The words that may stand for a lower-case word; empty for most."""
    return _table("synonyms.txt").get(word, frozenset())


@lru_cache(maxsize=65536)
def antonyms(left: str, right: str) -> bool:
    """Whether two lower-case words are opposed: listed, or one is the other with a prefix or suffix that denies it."""
    if right in _table("antonyms.txt").get(left, frozenset()):
        return True
    short, long = sorted((left, right), key=len)
    denied = any(long == prefix + short for prefix in ("un", "in", "im", "il", "ir", "non", "dis", "de", "anti", "mis"))
    base, ending = long[:-4], long[-4:]
    return denied or (ending == "less" and short in (base, base + "ful"))


@cache
def _table(name: str) -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = defaultdict(set)
    lines = (files("firefly_mcp.match") / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    for first, *others in pairs:
        for other in others:
            table[first].add(other)
            table[other].add(first)
    for line in (_MORE_SYNONYMS if name == "synonyms.txt" else _MORE_ANTONYMS).split("\n"):
        group = line.split()
        for word in group if name == "synonyms.txt" else group[:1]:
            for other in group:
                if other != word:
                    table[word].add(other)
                    table[other].add(word)
    return {word: frozenset(others) for word, others in table.items()}
