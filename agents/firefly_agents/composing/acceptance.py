"""Whether an argument may take a value of another server's: by name where names tell, else by what the tool works on.

A sum takes any number of the size that it has worked with, a text tool any text, a date tool any date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firefly_agents.composing.supply import Offer, kind_of
from firefly_agents.offline.fit import flow_score, may_take
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.slots import Slot
from firefly_agents.offline.words import telling

LEAST = 0.35
_TEXTS = frozenset(
    "text string content input message sentence str phrase body paragraph document word title name data value".split()
)
_NO_TEXT = re.compile(
    r"(?i)path|file|url|uri|format|unit|mode|type|lang|code|regex|pattern|expression|formula|json|xml|sql|query|id$"
)
_NO_NUMBER = re.compile(
    r"(?i)limit|offset|page|index|precision|decimal|digits|iteration|step|seed|size|width|height|depth|top|count$"
)


def acceptance(offer: Offer, slot: Slot, base: object, worked: Sequence[object], memory: ValueMemory) -> float:
    """From 0 (never) to 1 (this was done before and worked).

    Args:
        offer: the value.
        slot: the argument.
        base: what stood there in a call that worked.
        worked: all that stood there in calls that worked.
        memory: what was learnt of values that fail.
    """
    seen = offer.seen
    if kind_of(base) != offer.kind or not may_take(seen, slot, memory):
        return 0.0
    if offer.kind == "number" and not in_size(seen.value, worked, whole=isinstance(base, int)):
        return 0.0
    score = flow_score(seen, slot, memory)
    if score >= 0.5:
        return score
    if slot.allowed or slot.identifies or "default" in slot.own:
        return 0.0
    own = telling(slot.name)
    if offer.kind == "date":
        return 0.5 if seen.weight >= LEAST else 0.0
    if offer.kind == "number":
        return 0.0 if _NO_NUMBER.search(slot.name) else 0.4 + 0.1 * bool(seen.words & slot.about)
    if own & _TEXTS and not _NO_TEXT.search(slot.name) and not slot.looks_like and isinstance(base, str):
        worded = " " in seen.value or " " not in base
        return 0.36 + 0.1 * bool(seen.words & slot.about) + 0.05 * worded if seen.weight >= 0.4 else 0.0
    return 0.0


def in_size(value: float, worked: Sequence[object], *, whole: bool = False) -> bool:
    """Whether a number is of the size of those that worked: no thousands for a share, no factorial of a price."""
    known = [abs(item) for item in worked if isinstance(item, int | float) and not isinstance(item, bool)]
    if not known:
        return False
    if whole and not float(value).is_integer():
        return False
    if max(known) <= 1:
        return abs(value) <= 1
    if value < 0 and all(isinstance(item, int | float) and item >= 0 for item in worked):
        return False
    return min(known) / 20 <= abs(value) <= max(known) * 20 and (abs(value) <= 2 * max(known) or not whole or max(known) > 200)
