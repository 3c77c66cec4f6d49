"""The values that calls return whenever they are made first: what can be carried from one server to another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from firefly_agents.composing.known import Known, looks
from firefly_agents.offline.planner import is_plumbing
from firefly_agents.offline.seen import Seen, group_of, seen_in
from firefly_mcp.observe import json_path, result_view, walk
from firefly_mcp.observe.values import value_key
from firefly_mcp.types import Call, ToolKey

_PER_FIELD = 6
_PER_TOOL = 12
_WEIGHT = 0.35
_LARGEST = 60_000
_PLUMBING = re.compile(
    r"(?i)(?:^|_)(?:uuid|hash|digest|checksum|token|version|elapsed|timestamp|took|latency|trace|tool|server|domain|state_key"
    r"|request_id|call_id|etag|package|licen[cs]e|notice|disclaimer|hint|warning|help|usage|schema|source|method|error)(?:_|$)|_ms$"
)
_NO_WORDS = re.compile(r"\n|://|\A[\[{(<]|[\]})>]\Z")
"""Texts that are no words: lines, addresses, data inside a text."""
_NESTED = re.compile(r"\]\[\*\]|\[\*\].*\[\*\]\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


@dataclass(frozen=True, slots=True)
class Offer:
    """A value that a recorded call returned, and where."""

    seen: Seen
    call: Call
    path: str

    @property
    def kind(self) -> str:
        """``number``, ``date`` or ``text``."""
        return kind_of(self.seen.value)


def kind_of(value: object) -> str:
    """``number``, ``date`` or ``text``."""
    if isinstance(value, int | float):
        return "number"
    return "date" if isinstance(value, str) and _DATE.match(value) else "text"


class Supply:
    """Offers by field: the same place of the same tool's results."""

    def __init__(self, known: Known, rng: Random) -> None:
        """Read what free calls returned; a tool's calls beyond the first dozen are left out."""
        self.fields: dict[tuple[ToolKey, str], list[Offer]] = defaultdict(list)
        self.by_kind: dict[str, list[tuple[ToolKey, str]]] = defaultdict(list)
        self._names = {name for key in known.tools for name in key}
        self._calls: Counter[tuple[ToolKey, str]] = Counter()
        """How many calls showed a field: one that says the same each time tells nothing of a call."""
        for key, calls in known.good.items():
            if key not in known.relation.volatile and not is_plumbing(key.tool):
                for call in [call for call in calls if self._offers(known, call)][:_PER_TOOL]:
                    self._read(call)
        self.fields = {
            field: offers for field, offers in self.fields.items() if offers and (len(offers) > 1 or self._calls[field] < 2)
        }
        self._by_tool: dict[ToolKey, list[Offer]] = defaultdict(list)
        for field, offers in self.fields.items():
            rng.shuffle(offers)
            self._by_tool[field[0]] += offers
            self.by_kind[offers[0].kind].append(field)

    @staticmethod
    def _offers(known: Known, call: Call) -> bool:
        """Whether a call most likely answers alike whenever it is made first."""
        return call.id in known.free or (looks(known.relation, call.key) and known.alone(call))

    def _read(self, call: Call) -> None:
        assert call.result is not None
        view = result_view(call.result)
        own = [value for _, value in walk(call.arguments) if not isinstance(value, dict | list)]
        if len(str(view.value)) > _LARGEST:
            return
        given = {value_key(value) for value in own}
        paths: dict[tuple[object, str], str] = {}
        if view.kind in ("json", "structured"):
            for steps, value in walk(view.value):
                if not isinstance(value, dict | list) and value is not None:
                    path = json_path(steps)
                    paths.setdefault((value_key(value), group_of(path)), path)
        found = seen_in(view, call.key, 0, own)
        self._calls.update({(call.key, group) for group in {seen.group for seen in found}})
        for seen in found:
            if seen.weight < _WEIGHT or seen.echo or value_key(seen.value) in given or _PLUMBING.search(seen.name):
                continue
            if isinstance(seen.value, str) and (
                _NO_WORDS.search(seen.value) or seen.value in self._names or len(seen.value) > 80
            ):
                continue
            if _NESTED.search(seen.group):
                continue  # a place that no words tell
            offers = self.fields[call.key, seen.group]
            if len(offers) < _PER_FIELD and all(other.seen.value != seen.value for other in offers):
                offers.append(Offer(seen, call, paths.get((value_key(seen.value), seen.group), "")))

    def drawn(self, kind: str, count: int, rng: Random, *, apart: str) -> Iterator[Offer]:
        """One offer of each of so many fields of a kind, of any server but ``apart``."""
        fields = self.by_kind.get(kind, [])
        for field in rng.sample(fields, min(count, len(fields))):
            if field[0].server != apart:
                yield rng.choice(self.fields[field])

    def of(self, tool: ToolKey) -> list[Offer]:
        """The offers of one tool."""
        return self._by_tool.get(tool, [])
