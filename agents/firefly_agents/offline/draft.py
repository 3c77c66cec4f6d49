"""What argument planning works on: what an episode has seen and said so far, and one call's arguments in the making."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firefly_agents.offline import sql
from firefly_agents.offline.seen import Seen
from firefly_agents.offline.slots import Slot
from firefly_mcp.types import ToolKey

_MOST_SEEN = 1500


@dataclass(frozen=True)
class Wish:
    """An edge of the sub-DAG: ``argument`` (a name or a JSON pointer) should be fed by ``source``."""

    source: ToolKey
    argument: str
    path: str = ""


@dataclass
class EpisodeState:
    """What an episode has seen and said so far."""

    seen: list[Seen] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    steady: dict[str, Any] = field(default_factory=dict)
    bad: set[tuple[ToolKey, str, str]] = field(default_factory=set)
    asked: dict[tuple[ToolKey, str], tuple[str, ...]] = field(default_factory=dict)
    given: dict[int, frozenset[str]] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
    tables: dict[str, sql.Tables] = field(default_factory=lambda: defaultdict(sql.Tables))
    _kinds: tuple[object, list[Seen]] | None = None

    def see(self, found: Sequence[Seen]) -> None:
        """Take in the values of a result; of very many the oldest are forgotten."""
        self.seen += found
        del self.seen[:-_MOST_SEEN]

    def kinds_seen(self) -> list[Seen]:
        """One value for each place of each tool's results and each type: enough to tell what could feed an argument."""
        mark = (len(self.seen), self.seen[-1] if self.seen else None)
        if self._kinds is None or self._kinds[0] != mark:
            self._kinds = (mark, list({(seen.tool, seen.group, type(seen.value)): seen for seen in self.seen}.values()))
        return self._kinds[1]


class NothingKnownError(Exception):
    """A slot must name a thing that exists, and none is known."""


@dataclass
class Draft:
    """Arguments in the making."""

    state: EpisodeState
    rng: Random
    wishes: Sequence[Wish] = ()
    taken: list[Any] = field(default_factory=list)
    fed_from: list[Seen] = field(default_factory=list)
    anchor: int | None = None
    least: str = ""
    attempt: int = 0
    depth: int = 0

    def late_enough(self, slot: Slot, value: Any) -> bool:
        """Whether a date is not before the start that was chosen for the same call."""
        return not (self.least and slot.looks_like == "date" and isinstance(value, str)) or value > self.least
