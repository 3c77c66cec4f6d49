"""A scenario in the making: recorded calls taken over one by one, each fitted to what the script holds already."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from random import Random
from typing import Any

from firefly_agents.composing.known import Known
from firefly_agents.composing.scenario import Move, Scenario, Take, scalars_at
from firefly_agents.composing.watching import watched
from firefly_agents.offline.slots import Slot, ToolInfo
from firefly_agents.offline.vocabulary import by_meaning
from firefly_mcp.observe import Flow, informative, leaves, pointer_steps, result_view
from firefly_mcp.observe.values import Key, value_key
from firefly_mcp.tasks.literals import put
from firefly_mcp.types import Call, ToolKey

_FILE = re.compile(r"\.[A-Za-z]{1,8}\Z")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")
_STEMS = "garden harbor river journey market winter orchard lantern bridge meadow island festival library kitchen".split()


class Script:
    """Calls of one session. A value that was changed is changed wherever it is spoken of."""

    def __init__(self, known: Known, rng: Random, fixed: Iterable[str] = ()) -> None:
        """Begin.

        Args:
            known: tells what fed what.
            rng: the source of variety.
            fixed: names of files that are there from the start, and are left as they are called.
        """
        self.known = known
        self.rng = rng
        self.moves: list[Move] = []
        self.origins: list[Call] = []
        self.renamed: dict[Key, Any] = {}
        self._fixed = frozenset(fixed)

    def __len__(self) -> int:
        return len(self.moves)

    def holds(self, call: Call) -> bool:
        """Whether this very call was taken over."""
        return any(origin.id == call.id for origin in self.origins)

    def last(self, tool: ToolKey) -> int | None:
        """The number of the last move of a tool."""
        return next((at for at in range(len(self.moves) - 1, -1, -1) if self.moves[at].tool == tool), None)

    def add(self, call: Call, *, vary: bool = False, vital: bool = False, like: int | None = None) -> bool:
        """Take over a call; False where the same call stands there already with nothing written in between.

        Args:
            call: the recorded call.
            vary: choose other values where a person might.
            vital: nothing after it makes sense unless it succeeds.
            like: the move with which it is to share what both name alike.
        """
        takes: list[Take] = []
        places: dict[str, Any] = {}
        feeds = self.known.feeds(call)
        for pointer, value in scalars_at(call.arguments):
            alike = None if like is None else self.alike(pointer, value, like)
            if isinstance(alike, Take):
                takes.append(alike)
                continue
            if alike is not None:
                places[pointer] = alike
                continue
            flow = feeds.get(pointer)
            take = None if flow is None else self.take(pointer, flow)
            if take is not None:
                takes.append(take)
                continue
            key = value_key(value)
            if key is not None and key in self.renamed:
                places[pointer] = self.renamed[key]
            elif vary and flow is None and key is not None and not self._spoken(key):
                slot = slot_at(self.known.infos[call.key], pointer)
                fresh = None if slot is None else self._fresh(slot, pointer, value)
                if fresh is not None and type(fresh) is type(value) and fresh != value:
                    places[pointer] = fresh
                    if informative(value) >= 0.3:
                        self.renamed[key] = fresh
        move = Move(call.key, put(call.arguments, places), tuple(takes), vital)
        if move in self.moves[self._since_write() :]:
            return False
        self.moves.append(move)
        self.origins.append(call)
        return True

    def scenario(self, kind: str, **labels: Any) -> Scenario:
        """What was put together."""
        return Scenario(kind, tuple(self.moves), tuple(labels.items()))

    def watched(self, kind: str, **labels: Any) -> Scenario:
        """What was put together, with its reads before the first write and after each."""
        return Scenario(kind, watched(self.moves, self.known.writes), tuple(labels.items()))

    def take(self, pointer: str, flow: Flow) -> Take | None:
        """What stands in the script for a flow: its own source, another call of that tool, or a like thing of the same name."""
        own = self._source(flow.source)
        if own is not None:
            return Take(pointer, own, flow.path, flow.regex)
        tool = self.known.key_of(flow.source)
        again = None if tool is None else self.last(tool)
        if again is not None:
            return Take(pointer, again, flow.path, flow.regex)
        if tool is None or not flow.path:
            return None
        name, shape = flow.path.rsplit(".", 1)[-1], _shape(flow.value)
        for at in range(len(self.moves) - 1, -1, -1):
            if self.moves[at].tool.server != tool.server:
                continue
            for place, value in shown(self.origins[at]):
                if place.rsplit(".", 1)[-1] == name and _shape(value) == shape:
                    return Take(pointer, at, place)
        return None

    def alike(self, pointer: str, value: Any, move: int) -> Any | None:
        """What a move gave an argument of the same name and type: a value, or where it is taken from."""
        name, other = pointer_steps(pointer)[-1], self.moves[move]
        if name.isdigit():
            return None
        for place, given in scalars_at(other.arguments):
            if pointer_steps(place)[-1] == name and type(given) is type(value) and informative(given) >= 0.2:
                take = next((take for take in other.takes if take.pointer == place), None)
                return given if take is None else replace(take, pointer=pointer)
        return None

    def _since_write(self) -> int:
        """The number of the first move after the last write."""
        writes = [at for at, move in enumerate(self.moves) if self.known.writes(move.tool)]
        return writes[-1] if writes else 0

    def _source(self, call_id: int) -> int | None:
        return next((at for at, origin in enumerate(self.origins) if origin.id == call_id), None)

    def _spoken(self, key: Key) -> bool:
        """Whether an earlier move used a value as it is, so that it is the name of something by now."""
        return any(value_key(value) == key for move in self.moves for _, value in scalars_at(move.arguments))

    def _fresh(self, slot: Slot, pointer: str, value: Any) -> Any | None:
        """Another value that a person might have chosen here, or None to leave it."""
        rng = self.rng
        if isinstance(value, bool):
            return (not value) if rng.random() < 0.3 else None
        if slot.allowed:
            others = [item for item in slot.allowed if item != value]
            return rng.choice(others) if others and rng.random() < 0.5 else None
        worked = [item for item in self.known.worked.get((slot.tool.key, pointer), ()) if type(item) is type(value)]
        if isinstance(value, int | float):
            return self._number(slot, value)
        if "@" not in value and (_FILE.search(value) or "/" in value):
            return self._file(value)
        if slot.identifies or slot.looks_sql or len(value) > 300:
            return None
        if len(worked) > 2 and rng.random() < 0.4:
            return rng.choice(worked)
        made = by_meaning(slot.called, slot.description, "string", rng)
        if made is None or not isinstance(made, str) or ("\n" in made) != ("\n" in value):
            return rng.choice(worked) if len(worked) > 1 else None
        if bool(_DATED.search(value)) != bool(_DATED.search(made)) or (slot.looks_like and not slot.fits_pattern(made)):
            return rng.choice(worked) if len(worked) > 1 else None
        if " " in made and " " not in value:  # a name without spaces was chosen for a reason
            made = re.sub(r"\W+", "-" if "-" in value else "_", made.lower()).strip("-_")
        return made

    def _number(self, slot: Slot, value: int | float) -> int | float | None:
        if "default" in slot.own or abs(value) < 2 or slot.identifies:
            return None
        low, high = slot.own.get("minimum", value * 0.6), slot.own.get("maximum", value * 1.6)
        if not all(isinstance(bound, int | float) for bound in (low, high)):
            return None
        low, high = max(low, value * 0.6), min(high, value * 1.6)
        if isinstance(value, int):
            return self.rng.randint(int(low), int(high)) if int(high) > int(low) else None
        return round(self.rng.uniform(low, high), 2) if 0 < low < high else None

    def _file(self, value: str) -> str | None:
        path = PurePosixPath(value)
        if path.name in self._fixed or value in self._fixed or not _FILE.search(path.name):
            return None
        return str(path.with_name(f"{self.rng.choice(_STEMS)}-{self.rng.randint(2, 60)}{path.suffix}"))


def shown(call: Call) -> list[tuple[str, Any]]:
    """The first values of a recorded answer, by path."""
    if call.result is None:
        return []
    return [(leaf.path, leaf.value) for leaf in leaves(result_view(call.result).value, limit=60)]


def _shape(value: Any) -> str:
    """What ids of one kind have in common: what stands before their first digit or mark, or their type."""
    return re.split(r"[\d_-]", value, maxsplit=1)[0] if isinstance(value, str) else type(value).__name__


def slot_at(info: ToolInfo, pointer: str) -> Slot | None:
    """The slot that an argument's pointer leads to; None where the schema does not go so deep."""
    steps = pointer_steps(pointer)
    slot = next((slot for slot in info.slots if slot.name == steps[0]), None)
    for step in steps[1:]:
        if slot is None:
            return None
        slot = slot.items() if step.isdigit() else next((member for member in slot.members() if member.name == step), None)
    return slot
