"""How well a value that was seen fits an argument: the flow score that decides what feeds what."""

from __future__ import annotations

import re
from typing import Any

from firefly_agents.offline.files import may_be_path, role
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.seen import Seen
from firefly_agents.offline.slots import SHAPES, Slot
from firefly_agents.offline.words import telling, unit_in
from firefly_mcp.jsonio import text
from firefly_mcp.types import ToolKey

_ANY_NUMBER = frozenset("value number x amount".split())
_ANY_WORD = frozenset("word query text name term search keyword".split())
_WORDY = frozenset("word term keyword synonym antonym lemma token neighbor suggestion match related".split())
_SIGNED = frozenset("latitude longitude temperature celsius fahrenheit value balance change delta offset number x y".split())
_BARE = frozenset("id name key code number value type status title date".split())
_KINDS = frozenset("id key code number name".split())
_NAMING = frozenset("reference no slug handle".split())
_OTHER_DATES = frozenset("dob birth created updated modified received posted".split())
_DERIVED = re.compile(r"(?i)\b(?:count|index|position|version|page|limit|timestamp|created|updated|total_count|calls?)\b")


def type_fits(slot: Slot, value: Any) -> bool:
    """Whether the value is of a type that the slot takes."""
    if slot.kind in ("any", "string"):
        return isinstance(value, str) and 0 < len(value) <= 120
    if slot.kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return slot.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool)


def flow_score(seen: Seen, slot: Slot, memory: ValueMemory) -> float:
    """From 0 (never) to 1 (this argument has been fed from there before and it worked)."""
    if not may_take(seen, slot, memory):
        return 0.0
    place = (slot.tool.key, slot.pointer)
    score = max(_by_name(seen, slot), _by_shape(seen, slot))
    fed = memory.fed.get(place)
    if fed and fed.get((seen.tool, seen.group)):
        score = max(score, 0.9)
    elif seen.tool == slot.tool.key:
        score *= 0.6
    elif score and _refused(memory, place, seen):
        score *= 0.5
    if seen.echo:
        score *= 0.72
    return score if seen.weight >= 0.2 or score >= 0.6 else score * 0.5


def may_take(seen: Seen, slot: Slot, memory: ValueMemory) -> bool:
    """Whether a slot can take a value at all: by type, range, allowed values and shape, and by what failed before."""
    if not type_fits(slot, seen.value) or not _in_range(slot, seen.value, memory):
        return False
    if slot.allowed and seen.value not in slot.allowed:
        return False
    shape = SHAPES.get(slot.looks_like)
    if shape is not None and isinstance(seen.value, str) and not shape.match(seen.value):
        return False
    kind = role(slot)
    if kind == "new" or (kind and isinstance(seen.value, str) and not may_be_path(slot, seen.value)):
        return False  # a new file is not written over one that is there
    if slot.looks_like == "date" and seen.words & _OTHER_DATES and not seen.words & slot.words & _OTHER_DATES:
        return False
    if slot.kind in ("integer", "number") and "default" in slot.own:
        return False  # a knob
    place, key = (slot.tool.key, slot.pointer), text(seen.value)
    return memory.times(memory.failed, place, key) <= memory.times(memory.worked, place, key)


def _by_name(seen: Seen, slot: Slot) -> float:
    if isinstance(seen.value, int | float):
        return _number_by_name(seen, slot)
    wanted, own = telling(slot.called), seen.words
    if not wanted:
        return 0.0
    holder = seen.holder
    if seen.name == slot.name:
        if own - _BARE:
            return 0.97
        return 0.9 if holder & telling_context(slot) else 0.6 if not holder else 0.0
    kinds = wanted & _KINDS
    entity = wanted - _KINDS
    own_entity = own - _KINDS
    if entity and (kinds & own or not own & _KINDS) and (own_entity or own):
        # ``customer_id`` takes ``id`` of a customer, ``customer`` itself, and never ``payment_id`` that a customer holds.
        about = own_entity or holder or telling_words_of_tool(seen)
        strange = own_entity - entity - _NAMING if kinds and not own & _KINDS else None
        if entity & about and not strange and (not kinds or "name" in kinds or _looks_id(seen)):
            return 0.9 if entity <= about else 0.55 if entity & about - _BARE else 0.0
    if kinds == {"id"} and not entity and "id" in own:
        return 0.55
    if wanted <= _ANY_WORD:
        if wanted & {"word", "term", "keyword"}:
            return 0.7 if re.fullmatch(r"[a-z]{3,15}", seen.value) and own & _WORDY else 0.0
        # Across servers only where the searching tool names the kind of thing: an airport search takes a city.
        near = seen.tool.server == slot.tool.key.server or bool((own | holder) & (telling_context(slot) | slot.tool.about))
        if near and own & {"name", "title", "subject", "email", "city"} and len(seen.value) > 3:
            return 0.5
    return 0.5 if not kinds and own & wanted - _BARE else 0.0


def telling_words_of_tool(seen: Seen) -> frozenset[str]:
    """The telling words of the tool that returned a value."""
    return telling(seen.tool.tool)


def telling_context(slot: Slot) -> frozenset[str]:
    """The words of the slot's tool beside its own name."""
    return telling(slot.tool.key.tool) | slot.words


def _number_by_name(seen: Seen, slot: Slot) -> float:
    if _DERIVED.search(seen.name.replace("_", " ")):
        return 0.0
    shared = seen.words & slot.words
    unit, wanted_unit = unit_in(seen.name), unit_in(slot.name)
    if seen.value < 0 and not slot.words & _SIGNED:
        return 0.0
    if seen.name == slot.name:
        return 0.9
    if slot.name in ("total", "amount") and seen.words & {"total", "amount", "price"}:
        return 0.6
    if wanted_unit and unit and unit != wanted_unit:
        return 0.0
    if wanted_unit and unit == wanted_unit:
        return 0.85 if len(shared) > 1 else 0.6
    if shared - {"number", "value", "total", "count"}:
        return 0.7
    if (
        slot.name.lower() in _ANY_NUMBER
        and seen.weight >= 0.4
        and (unit or seen.words & {"total", "price", "amount", "value", "result"})
    ):
        return 0.6
    return 0.0


def _by_shape(seen: Seen, slot: Slot) -> float:
    shape = SHAPES.get(slot.looks_like)
    if shape is None or not isinstance(seen.value, str) or not shape.match(seen.value):
        return 0.0
    if slot.looks_like == "iata" and not seen.context & {"iata", "airport", "origin", "destination", "from", "to", "via"}:
        return 0.0
    if slot.looks_like == "country" and not seen.words & {"country", "code"}:
        return 0.0
    return 0.8 if slot.looks_like == "email" else 0.7


def _looks_id(seen: Seen) -> bool:
    return isinstance(seen.value, str) and bool(re.search(r"\d|_", seen.value)) and " " not in seen.value


def _refused(memory: ValueMemory, place: tuple[ToolKey, str], seen: Seen) -> bool:
    """Whether values of the same field were tried here and none worked."""
    fields = [item for item in memory.seen.get(seen.tool, {}).values() if item.group == seen.group]
    tried = [value for item in fields if memory.times(memory.failed, place, value := text(item.value))]
    return len(tried) >= 2 and not any(memory.times(memory.worked, place, value) for value in tried)


def _in_range(slot: Slot, value: Any, memory: ValueMemory) -> bool:
    if isinstance(value, str):
        return True
    low, high = slot.own.get("minimum"), slot.own.get("maximum")
    least, most = memory.limits.get((slot.tool.key, slot.pointer), (None, None))
    if (least is not None and value < least) or (most is not None and value > most):
        return False
    return (low is None or value >= low) and (high is None or value <= high)
