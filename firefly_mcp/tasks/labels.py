"""What fields and arguments are called in a request: plain words made of the names that servers gave them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPLIT = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+s?(?![a-z])\d*|\d+")
_NUMBERED = re.compile(r"([A-Za-z]{3,})(\d)")
_GENERIC = frozenset(
    """result results value values data output item items entry entries record records content contents text response id ids
    name type status structured parsed payload body info list object""".split()
)
_WRAPPERS = frozenset("parsed content|structured content|parsed data|raw|structuredcontent|json|details|summary".split("|"))
_NUMBERED_NAMES = frozenset("base ipv oauth sha tau utf".split())
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_SPOKEN = {
    "addr": "address", "api": "API", "attr": "attribute", "avg": "average", "bmi": "BMI", "cnt": "count", "csv": "CSV",
    "cwd": "working directory", "desc": "description", "dest": "destination", "dir": "directory", "dob": "date of birth",
    "dst": "destination", "eq": "equation", "err": "error", "eur": "EUR", "expr": "expression", "exprs": "expressions",
    "ext": "extension", "filename": "file name", "filepath": "file path", "fmt": "format", "freq": "frequency",
    "func": "function", "gid": "group ID", "html": "HTML", "iata": "IATA code", "icao": "ICAO code", "id": "ID",
    "ids": "IDs", "idx": "index", "img": "image", "isbn": "ISBN", "iso": "ISO", "json": "JSON", "lang": "language",
    "lat": "latitude", "len": "length", "lng": "longitude", "loc": "location", "lon": "longitude", "lvl": "level",
    "mcp": "MCP", "msg": "message", "num": "number", "org": "organisation", "param": "parameter", "params": "parameters",
    "pct": "percentage", "pdf": "PDF", "perpage": "entries per page", "pkg": "package", "pos": "position",
    "prev": "previous", "prio": "priority", "qty": "quantity", "repo": "repository", "sku": "SKU", "smiles": "SMILES",
    "sql": "SQL", "src": "source", "std": "standard deviation", "stdev": "standard deviation", "str": "text",
    "tel": "telephone", "tz": "time zone", "uid": "user ID", "uri": "URI", "url": "URL", "urls": "URLs", "usd": "USD",
    "uuid": "UUID", "val": "value", "vals": "values", "var": "variable", "vars": "variables", "ver": "version",
    "wid": "width", "xml": "XML",
}  # fmt: skip
_UNITS = {
    "bytes": "bytes", "celsius": "degrees Celsius", "cents": "cents", "cm": "cm", "days": "days", "degrees": "degrees",
    "eur": "EUR", "fahrenheit": "degrees Fahrenheit", "g": "g", "gb": "GB", "gbp": "GBP", "hours": "hours", "hz": "Hz",
    "kb": "KB", "kcal": "kcal", "kg": "kg", "khz": "kHz", "km": "km", "kw": "kW", "kwh": "kWh", "m3": "cubic metres",
    "mb": "MB", "meters": "metres", "metres": "metres", "mg": "mg", "mhz": "MHz", "miles": "miles", "mins": "minutes",
    "minutes": "minutes", "ml": "ml", "mm": "mm", "mmhg": "mmHg", "months": "months", "ms": "ms", "pct": "percent",
    "percent": "percent", "pixels": "pixels", "px": "px", "radians": "radians", "sec": "seconds", "seconds": "seconds",
    "secs": "seconds", "usd": "USD", "weeks": "weeks", "years": "years",
}  # fmt: skip
"""Last words of a numeric field's name that are its unit."""
_ALONE = {
    "bytes": "size in bytes", "celsius": "temperature in degrees Celsius", "eur": "amount in EUR",
    "hours": "number of hours", "kb": "size in KB", "kcal": "energy in kcal", "kg": "weight in kg",
    "km": "distance in km", "m": "distance in metres", "mb": "size in MB", "meters": "distance in metres",
    "miles": "distance in miles", "minutes": "time in minutes", "ms": "time in ms", "pct": "percentage",
    "percent": "percentage", "seconds": "time in seconds", "usd": "amount in USD",
}  # fmt: skip
"""Names that are nothing but a unit."""
_NOUNS_IN_ED = frozenset("embed shed sled".split())
_ADJECTIVES = frozenset("active available empty enabled invalid new public private ready valid".split())
_CLAUSE = re.compile(r"(?:is|has|can|was|should|are|needs) [a-z]")
_ECHOED = frozenset("content contents text".split())
"""What a result so names is what came back, and the request may have given something of that name."""
_LAST_LATIN = "\u024f"
_PREPOSITIONS = frozenset("at by for from in into of on to via with".split())
_SIZES = frozenset("size length limit memory usage total capacity space".split())
_COUNTED = frozenset("days hours minutes seconds weeks months years mins secs sec".split())
_LASTING = frozenset("time duration age length period term timeout delay interval uptime tenure runtime ttl".split())
_TIMES = {
    "created": "creation time",
    "updated": "time of the last update",
    "modified": "modification time",
    "deleted": "deletion time",
}


def label(name: str) -> str:
    """A field's or argument's name as plain words: ``startDate`` is ``start date``, ``word2`` is ``second word``.

    No word of it is a number, so it can never be taken for a literal.
    """
    words = [word for token in _SPLIT.findall(name) for word in _spoken(token)]
    if len(words) >= 2 and words[-1] == "at" and words[-2].endswith("ed"):
        words = [*words[:-2], _TIMES.get(words[-2], f"time it was {words[-2]}")]
    if words[-1:] in (["created"], ["updated"], ["modified"]) and len(words) == 1:
        return _TIMES[words[0]]
    if words[-2:] == ["standard deviation", "dev"]:
        words.pop()
    if len(words) == 1:
        # A bare preposition reads as one: "the to of the leg"; quoted singly it cannot be taken for a literal.
        return f"'{words[0]}' field" if words[0] in _PREPOSITIONS else words[0]
    if not words and any(char > _LAST_LATIN for char in name):
        # In another script there are no words to tell apart: the name as it is, without what could be read as a literal.
        return " ".join(re.sub(r"""[^\w\s]|[\d_]""", " ", name).split()) or "value"
    return " ".join(words) or "value"


def _spoken(token: str) -> list[str]:
    if token.isdigit():
        return []
    numbered = _NUMBERED.fullmatch(token)
    if numbered and numbered.group(1).lower() not in _NUMBERED_NAMES:
        word, place = numbered.group(1).lower(), int(numbered.group(2))
        return [_ORDINALS[place], _SPOKEN.get(word, word)] if place else [_SPOKEN.get(word, word)]
    if token.isupper() and len(token) > 1:
        return [_SPOKEN.get(token.lower(), token)]
    return [_SPOKEN.get(token.lower(), token.lower())]


def path_label(names: Sequence[str]) -> str:
    """The label of a value by the keys that lead to it; a generic last key is told by the one before."""
    if not names:
        return "result"
    own = label(names[-1])
    own = _ALONE.get(own, own)
    parents = [label(name) for name in names[:-1] if not _is_generic(name)]
    if _is_generic(names[-1]) and parents:
        parent = singular(parents[-1])
        return parent if own in ("value", "text", "content", "data") else f"{parent} {own}"
    return own


def item_label(names: Sequence[str]) -> str:
    """What one entry of a list is called by the keys that lead to the list."""
    named = [label(name) for name in names if not _is_generic(name) and not label(name).endswith("results")]
    return singular(named[-1]) if named else "entry"


def _is_generic(name: str) -> bool:
    own = " ".join(word.lower() for word in _SPLIT.findall(name))
    return own in _GENERIC or own in _WRAPPERS


def as_name(said: str) -> str:
    """A label that is no noun of the sentence is called as a name: ``the 'r' field``, ``the 'cleared' field``."""
    adjective = (re.fullmatch(r"[a-z]{3,}(?<!e)ed", said) and said not in _NOUNS_IN_ED) or said in _ADJECTIVES
    if len(said) == 1 or adjective or _CLAUSE.match(said) or any(char > _LAST_LATIN for char in said):
        return f"'{said}' field"
    return f"returned {said}" if said in _ECHOED else said


def with_unit(said: str) -> tuple[str, str]:
    """A numeric field's label without its unit, and the unit, ``""`` if none: ``weight kg`` gives ``("weight", "kg")``."""
    base, joint, unit = said.partition(" in ")
    if joint and unit in _UNITS.values():
        return base, unit
    *rest, last = said.split() or [""]
    if last.lower() == "hr" and rest and rest[-1] in _UNITS:
        return " ".join(rest[:-1]) or "rate", f"{_UNITS[rest[-1]]} per hour"
    unit = _UNITS.get(last.lower(), "")
    if unit in ("bytes", "KB", "MB", "GB") and rest and rest[-1] not in _SIZES:
        rest.append("size")
    if not unit or not rest or (last.lower() in _COUNTED and rest[-1] not in _LASTING):
        return said, ""
    return " ".join(rest), unit


def units() -> set[str]:
    """Every unit that :func:`with_unit` may give."""
    return {unit for own in _UNITS.values() for unit in (own, f"{own} per hour")}


def singular(word: str) -> str:
    """The singular of a plural in ``s``: of ``entries`` it is ``entry``, of ``holidays in range`` ``holiday in range``."""
    head, joint, rest = word.partition(" in ") if " in " in word else word.partition(" of ")
    if joint:
        return f"{singular(head)}{joint}{rest}"
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def plural(word: str) -> str:
    """The plural of a singular noun in words."""
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word if word.endswith("s") else word + ("es" if word.endswith(("ch", "sh", "x")) else "s")


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
