"""Words of identifiers and prose: what an argument, a field or a tool is called, in comparable form."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STOP = frozenset("a an the of for to in on by with and or is are be as at from this that it its value arg args param".split())
_SAME = {
    "ident": "id",
    "identifier": "id",
    "number": "number",
    "num": "number",
    "tz": "timezone",
    "msg": "message",
    "qty": "quantity",
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "addr": "address",
    "desc": "description",
    "amt": "amount",
    "ref": "reference",
    "pct": "percent",
    "percentage": "percent",
}


@lru_cache(maxsize=20_000)
def words(name: str) -> tuple[str, ...]:
    """The words of an identifier or a text: lower case, singular, short forms spelled out, in order."""
    return tuple(_stem(word.lower()) for word in _WORD.findall(name))


@lru_cache(maxsize=20_000)
def telling(name: str) -> frozenset[str]:
    """The words that tell something, as a set."""
    return frozenset(word for word in words(name) if word not in _STOP and len(word) > 1)


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _SAME.get(word, word)


_SPELLINGS = """
km=km kilometer=km kilometre=km mile=mile mi=mile m=m meter=m metre=m cm=cm mm=mm ft=foot foot=foot inch=inch
kg=kg kilogram=kg g=g gram=g lb=lb lbs=lb pound=lb oz=oz ml=ml milliliter=ml l=l liter=l litre=l cup=cup
hour=hour hr=hour minute=minute min=minute second=second sec=second day=day
celsius=degC fahrenheit=degF degc=degC degf=degF m2=m**2 byte=byte
"""
_UNITS = dict(pair.split("=") for pair in _SPELLINGS.split())
_CONVERTED = """
km=mile,m mile=km m=foot,cm cm=inch mm=inch foot=m inch=cm kg=lb,g g=oz lb=kg oz=g ml=cup,l l=ml cup=ml
hour=minute minute=hour,second second=minute day=hour degC=degF degF=degC m**2=foot**2 byte=kilobyte
"""
_SISTERS = {unit: tuple(others.split(",")) for unit, _, others in (pair.partition("=") for pair in _CONVERTED.split())}


def unit_in(name: str) -> str | None:
    """The unit that a field's name ends in (``total_volume_ml``, ``km``), in a common spelling."""
    found = words(name)
    if not found or "rate" in found or (len(found) > 1 and found[-2] in _UNITS):  # ``ml_hr`` is a rate
        return None
    return _UNITS.get(found[-1])


def sisters(unit: str) -> tuple[str, ...]:
    """Units that one would convert ``unit`` into."""
    return _SISTERS.get(unit, ())


def same_unit(left: str, right: str) -> bool:
    """Whether two spellings mean one unit."""
    return _UNITS.get(left.lower(), left.lower()) == _UNITS.get(right.lower(), right.lower())
