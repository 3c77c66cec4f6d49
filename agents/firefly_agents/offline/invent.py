"""Values that nothing told: by what the argument means, what its schema limits, or its type alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firefly_agents.offline.draft import Draft
from firefly_agents.offline.patterns import matching
from firefly_agents.offline.slots import Slot, ToolInfo
from firefly_agents.offline.vocabulary import by_meaning, fallback
from firefly_agents.offline.words import words
from firefly_mcp.jsonio import JsonObject, text

Limits = tuple[float | None, float | None]


def invented(slot: Slot, draft: Draft, pick: Callable[[], Any | None], limits: Limits = (None, None)) -> Any:
    """A plausible value, within the limits of the schema and of ``limits`` (what errors said).

    Args:
        slot: the argument.
        draft: the call in the making.
        pick: gives one of the samples in its description, or None.
        limits: the least and the greatest value that an error named.
    """
    value = None
    for _ in range(8):
        value = _bounded(_once(slot, draft, pick), slot, limits)
        if (
            value not in draft.taken
            and draft.late_enough(slot, value)
            and (slot.tool.key, slot.pointer, text(value)) not in draft.state.bad
        ):
            break
    return value


def _once(slot: Slot, draft: Draft, pick: Callable[[], Any | None]) -> Any:
    rng = draft.rng
    kind = slot.kind if slot.kind != "any" else "string"
    default = slot.own.get("default")
    if isinstance(default, int | float) and not isinstance(default, bool) and default > 0 and kind in ("integer", "number"):
        return rng.choice((default + 1, default * 2) if default < 20 else (default * 2, default // 2))
    pattern = slot.own.get("pattern")
    if kind == "string" and isinstance(pattern, str):
        made = matching(pattern, rng)
        if made is not None and by_meaning(slot.called, "", kind, rng) is None:
            return made
        meant = by_meaning(slot.called, "", kind, rng)
        return meant if made is None or slot.fits_pattern(meant) else made
    if slot.looks_like == "iata":
        return by_meaning("iata", "", kind, rng)
    value = None
    if slot.name.lower() in ("query", "q", "search", "name", "term"):
        value = by_meaning(about(slot.tool), "", kind, rng)
    if value is None:
        value = by_meaning(slot.called, slot.description if slot.required else "", kind, rng)
    if value is None and slot.given:
        value = pick()
    if value is None and slot.required:
        value = by_meaning(about(slot.tool), slot.tool.description[:200], kind, rng)
    return fallback(kind, rng) if value is None else value


def _bounded(value: Any, slot: Slot, limits: Limits) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = _most(slot.own.get("minimum"), slot.own.get("exclusiveMinimum"), limits[0], largest=True)
        high = _most(slot.own.get("maximum"), slot.own.get("exclusiveMaximum"), limits[1], largest=False)
        if low is not None and value < low:
            value = type(value)(low + (1 if slot.kind == "integer" else 0.5))
        if high is not None and value > high:
            value = type(value)(high if low is None or slot.kind == "integer" else (low + high) / 2)
        step = slot.own.get("multipleOf")
        if isinstance(step, int) and step > 1:
            value = value // step * step
    if isinstance(value, str):
        least, most = slot.own.get("minLength"), slot.own.get("maxLength")
        if isinstance(most, int) and 0 < most < len(value):
            value = value[:most]
        if isinstance(least, int) and len(value) < least <= 4000:
            value = (f"{value} " * (least // (len(value) + 1) + 1))[: max(least, len(value))]
    return value


def _most(*values: Any, largest: bool) -> float | None:
    known = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return (max(known) if largest else min(known)) if known else None


def about(tool: ToolInfo) -> str:
    """What a tool is about: its name without the verbs that any search has."""
    return "_".join(
        word for word in words(tool.key.tool) if word not in ("search", "find", "get", "lookup", "query", "read", "name")
    )


def earliest(slot: Slot, siblings: JsonObject) -> str:
    """The start date among the arguments chosen already, for a slot that takes the end."""
    if slot.looks_like != "date" or not set(words(slot.name)) & {"end", "until", "to", "due"}:
        return ""
    starts = [value for name, value in siblings.items() if set(words(name)) & {"start", "from", "begin", "since"}]
    return next((value for value in starts if isinstance(value, str)), "")


def typed(value: Any, kind: str) -> Any | None:
    """The value as a slot of that kind takes it; None where it cannot."""
    if kind in ("string", "any"):
        return value if isinstance(value, str) else None
    if kind in ("integer", "number"):
        if isinstance(value, str):
            try:
                value = float(value) if kind == "number" else int(value)
            except ValueError:
                return None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value
