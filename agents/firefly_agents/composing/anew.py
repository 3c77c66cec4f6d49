"""Other arguments for a call whose answers have told nothing so far: a wide range of numbers, and terms with a variable.

People ask with small round numbers, and so do explorers: of those, many a computation makes nothing that is not in the question
(the floor of 6), or always the same (is 8 a perfect square?).
"""

from __future__ import annotations

import math
import re
from random import Random
from typing import Any, cast

from firefly_agents.composing.script import slot_at
from firefly_agents.offline.invent import about
from firefly_agents.offline.slots import Slot, ToolInfo
from firefly_agents.offline.vocabulary import by_meaning
from firefly_mcp.jsonio import JsonObject

_SUM = re.compile(r"[\d\s.()+*/^-]+")
_TERM = re.compile(r"(?i)^(?:expr|expression|formula|function|term|polynomial|equation|arg)s?\d?$")
_TERMS = ("x**2 - 5*x + 6", "(x + 1)**3", "x**3 - 2*x + 4", "sin(x)*cos(x)", "exp(2*x)", "x**4 - 16", "(x**2 - 9)/(x - 3)")
_PLACE = re.compile(
    r"(?i)(?:^|_)(?:index|idx|row|col|column|page|offset|level|depth|seed|axis|base|digits|precision|decimals)$"
)
_NUMBERS = re.compile(r"(?i)^(?:numbers?|values?|data|items|nums|xs?|ys?|sample[12]?|population|list_?[ab]?)$")
_TEXT = re.compile(r"(?i)^(?:text|value|string|input|data|content)$")
_LEAST, _MOST = 2, 600
_HANDFUL = 6


def anew(tool: ToolInfo, arguments: JsonObject, rng: Random) -> JsonObject:
    """The arguments with other numbers, lists of numbers and terms; what else they hold stays.

    Args:
        tool: whose arguments they are.
        arguments: of a call that worked.
        rng: the source of variety.
    """
    return {name: _value(tool, f"/{name}", name, value, rng) for name, value in arguments.items()}


def _value(tool: ToolInfo, pointer: str, name: str, value: Any, rng: Random) -> Any:
    if isinstance(value, dict):
        return {key: _value(tool, f"{pointer}/{key}", key, item, rng) for key, item in value.items()}
    slot = slot_at(tool, pointer)
    if isinstance(value, list):
        return _list(tool, pointer, name, value, slot, rng)
    if isinstance(value, bool) or slot is None or slot.identifies or _PLACE.search(name):
        return value
    if slot.allowed:
        return rng.choice(slot.allowed)
    if isinstance(value, int | float):
        return _number(slot, value, rng)
    if isinstance(value, str) and _TERM.match(name) and _SUM.fullmatch(value):
        return rng.choice(_TERMS)
    if isinstance(value, str) and _TEXT.match(name) and rng.random() < 0.5:
        return by_meaning(about(tool), "", "string", rng) or value  # what ``is_email`` is asked of may well be an address
    return value


def _list(tool: ToolInfo, pointer: str, name: str, value: list[Any], slot: Slot | None, rng: Random) -> list[Any]:
    member = None if slot is None else slot.items()
    numbers = bool(value) and all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
    open_to_any = member is not None and member.kind == "any" and _NUMBERS.match(name) is not None
    if member is not None and (numbers or open_to_any or (not value and member.kind in ("integer", "number"))):
        whole = member.kind == "integer" or all(isinstance(item, int) for item in value if numbers)
        size = max(len(value), _HANDFUL) if pointer.count("/") < 3 else len(value)  # inner lists are rows of one length
        return [_number(member, 5 if whole else 5.5, rng) for _ in range(size)]
    return [_value(tool, f"{pointer}/{at}", str(at), item, rng) for at, item in enumerate(value)]


def _number(slot: Slot, value: int | float, rng: Random) -> int | float:
    low, high = (
        slot.own.get("minimum", slot.own.get("exclusiveMinimum")),
        slot.own.get("maximum", slot.own.get("exclusiveMaximum")),
    )
    least = max(float(low), 1.0) if isinstance(low, int | float) else float(_LEAST)
    most = min(float(high), float(_MOST)) if isinstance(high, int | float) else float(_MOST)
    if most <= least:
        if isinstance(value, float) and isinstance(low, int | float) and isinstance(high, int | float):
            return round(rng.uniform(low, high), 2)
        return value
    kind = "integer" if isinstance(value, int) else "number"
    meant = by_meaning(slot.called, slot.description, kind, rng)
    if meant is not None and (0 < meant < 1 or least <= abs(meant) <= most) and rng.random() < 0.4:
        return cast("int | float", meant)
    drawn = math.exp(rng.uniform(math.log(least), math.log(most)))
    if isinstance(value, int) or slot.kind == "integer":
        return round(drawn)
    return round(-drawn if low is None and rng.random() < 0.3 else drawn, 2)
