"""Whether an argument may take a value of another server's: by name where names tell, else by what the tool works on.

A sum takes any number of the size that it has worked with, money takes money, a text tool any text, a date tool any date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firefly_agents.composing.supply import Offer, kind_of
from firefly_agents.offline.fit import flow_score, may_take
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.slots import Slot
from firefly_agents.offline.words import telling, unit_in, words

LEAST = 0.35
_TEXTS = frozenset("text string content input message sentence str phrase body paragraph document title data value".split())
_NO_TEXT = re.compile(
    r"(?i)path|file|url|uri|format|unit|mode|type|lang|code|regex|pattern|expression|formula|json|xml|sql|query|id$"
)
_NUMBERS = frozenset(
    """
    a b c x y z n m num number value first second left right base exponent operand augend addend minuend subtrahend dividend
    divisor factor multiplicand multiplier numerator denominator data item amount total term real angle radicand input
    """.split()
)
_KINDS = {
    word: kind
    for kind, listed in {
        "money": """amount price cost total fee payment balance income salary revenue budget principal loan expense premium tax
        net gross subtotal usd eur saving asset liability fare value investment debt rent cash sale profit capital wage""",
        "mass": "weight mass kg",
        "length": "distance height length width radius km altitude elevation depth",
        "time": "hour minute second duration",
        "temperature": "temperature celsius fahrenheit",
        "share": "rate percent ratio share probability proportion fraction discount yield growth inflation interest",
        "count": "quantity count passenger guest people seat unit item stock population size",
        "year": "year",
    }.items()
    for word in listed.split()
}


_MEASURES = frozenset("ml hr kg mg mm cm gtt bpm per speed flow second minute hour ms".split())
"""Words of fields that measure something, whatever else they are called: a drip rate is no interest rate."""
_VAGUE = frozenset("total value amount net gross unit item".split())
"""Words that say nothing of what is counted where another word stands beside them."""


def acceptance(
    offer: Offer, slot: Slot, base: object, worked: Sequence[object], memory: ValueMemory, *, writes: bool = False
) -> float:
    """From 0 (never) to 1 (this was done before and worked).

    Args:
        offer: the value.
        slot: the argument.
        base: what stood there in a call that worked.
        worked: all that stood there in calls that worked.
        memory: what was learnt of values that fail.
        writes: whether the tool changes something: then only names that tell will do.
    """
    seen = offer.seen
    if kind_of(base) != offer.kind or not may_take(seen, slot, memory):
        return 0.0
    if offer.kind == "number" and not in_size(seen.value, worked, whole=isinstance(base, int)):
        return 0.0
    if offer.kind == "text" and not alike(seen.value, worked, free=bool(telling(slot.name) & _TEXTS)):
        return 0.0
    score = flow_score(seen, slot, memory)
    if offer.kind == "number" and unit_in(slot.name) and unit_in(slot.name) != unit_in(seen.name):
        return 0.0  # a molecule's weight is no patient's
    if score >= 0.5:
        return score
    if writes or slot.allowed or slot.identifies or "default" in slot.own:
        return 0.0
    if offer.kind == "date":
        return 0.5 if seen.weight >= LEAST else 0.0
    if offer.kind == "number":
        return _number(offer, slot)
    if telling(slot.name) & _TEXTS and not _NO_TEXT.search(slot.name) and not slot.looks_like and isinstance(base, str):
        worded = " " in seen.value or " " not in base
        return 0.36 + 0.1 * bool(seen.words & slot.about) + 0.05 * worded if seen.weight >= 0.4 else 0.0
    return 0.0


def _number(offer: Offer, slot: Slot) -> float:
    """How well a number fits by what it counts: money to money; anything to a plain operand; never kilometres to kilograms."""
    seen = offer.seen
    unit, wanted_unit = unit_in(seen.name), unit_in(slot.name)
    if wanted_unit:
        return 0.55 if unit == wanted_unit else 0.0
    own = telling(slot.name) | set(words(slot.name))
    wanted = {_KINDS[word] for word in own if word in _KINDS}
    measured = unit is not None or bool(set(words(seen.name)) & _MEASURES)
    said = seen.words | (seen.holder if seen.words <= _VAGUE else frozenset())
    # ``total_yards`` counts yards; a mere ``total`` is taken for money.
    telling_words = said if said <= _VAGUE else said - _VAGUE
    kinds = set() if measured else {_KINDS[word] for word in telling_words if word in _KINDS}
    plain = slot.name.lower() in _NUMBERS or bool(re.fullmatch(r"(?i)(?:num(?:ber)?|value|arg|operand)s?_?\d?", slot.name))
    if wanted & kinds:
        return 0.5
    return 0.42 if plain and not (wanted - {"money"}) else 0.0


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


def alike(value: str, worked: Sequence[object], *, free: bool) -> bool:
    """Whether a text is written like those that worked: a plain word where all were, no blanks where none had any."""
    known = [item for item in worked if isinstance(item, str)]
    if known and all(re.fullmatch(r"[a-z]+", item) for item in known) and not free:
        return re.fullmatch(r"[a-z]{3,}", value) is not None
    return free or " " not in value or any(" " in item for item in known)
