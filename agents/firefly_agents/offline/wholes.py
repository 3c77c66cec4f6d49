"""Whole results as arguments: the chart that one tool computes and another reads, the score that one writes, one converts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from firefly_agents.offline.slots import Slot
from firefly_agents.offline.words import telling, words
from firefly_mcp.jsonio import JSON, text
from firefly_mcp.observe.view import View
from firefly_mcp.types import ToolKey

_LARGEST = 20_000
"""Characters of a result that is kept whole."""
_KEPT = 6
_PLAIN = frozenset("data result output content text json value object item input payload body string".split())


@dataclass(frozen=True)
class Whole:
    """A result, or a large part of one: an object, a list, or a text of more than a line or two."""

    tool: ToolKey
    name: str
    value: JSON


def wholes(view: View, tool: ToolKey) -> Iterator[Whole]:
    """The result itself, and its members that are objects, lists or long texts."""
    value = view.value
    if view.kind == "empty" or len(text(value)) > _LARGEST:
        return
    yield Whole(tool, "", value)
    if isinstance(value, dict):
        for name, member in value.items():
            if (isinstance(member, dict | list) and member) or (isinstance(member, str) and len(member) > 60):
                yield Whole(tool, str(name), member)


class WholeMemory:
    """Results worth handing on as they are, a few for each tool and place."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: dict[tuple[ToolKey, str], list[Whole]] = defaultdict(list)

    def copy(self) -> WholeMemory:
        """One that grows on its own from here."""
        twin = WholeMemory()
        twin._kept.update({place: list(kept) for place, kept in self._kept.items()})
        return twin

    def add(self, found: Iterable[Whole]) -> None:
        """Keep some more; the oldest go."""
        for whole in found:
            kept = self._kept[whole.tool, whole.name]
            kept.append(whole)
            del kept[:-_KEPT]

    def fitting(self, slot: Slot, rng: Random, refused: Iterable[str] = ()) -> Any | None:
        """A whole of the slot's server that it may take by type, and by the name of the place or of the tool."""
        scored: list[tuple[float, Whole]] = []
        for (tool, _), kept in self._kept.items():
            if tool.server == slot.tool.key.server and tool != slot.tool.key:
                scored += [
                    (score, whole) for whole in kept if (score := fit(whole, slot)) > 0 and text(whole.value) not in refused
                ]
        if not scored:
            return None
        top = max(score for score, _ in scored)
        return rng.choice([whole for score, whole in scored if score == top]).value


def fit(whole: Whole, slot: Slot) -> float:
    """How well a whole fits a slot, from 0 (not at all) to 1."""
    if slot.kind == "object" and not isinstance(whole.value, dict):
        return 0.0
    if slot.kind == "array" and not isinstance(whole.value, list):
        return 0.0
    if slot.kind in ("string", "any") and not slot.looks_json and not (isinstance(whole.value, str) and len(whole.value) > 60):
        return 0.0
    wanted = slot.words - _PLAIN
    if whole.name and whole.name == slot.name:
        return 1.0
    if wanted and wanted <= telling(whole.name):
        return 0.9
    made = words(whole.tool.tool)
    said = telling(slot.description[:200])
    if not whole.name or set(words(whole.name)) <= _PLAIN:
        # ``calculate_chart`` gives what ``chart`` takes; ``abc_to_musicxml`` gives ``musicxml``.
        tail = set(made[made.index("to") + 1 :] if "to" in made else made)
        if wanted and wanted <= tail:
            return 0.85
        if wanted and wanted & tail - _PLAIN:
            return 0.5
        if whole.tool.tool.lower() in slot.description.lower():
            return 0.95
        if slot.kind in ("object", "array") and said & tail - _PLAIN and len(said & tail - _PLAIN) >= 2:
            return 0.4
    return 0.0
