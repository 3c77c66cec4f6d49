"""Scenarios across servers: a value that one server returned, handed to a tool of another, and on to a third."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from firefly_agents.composing.acceptance import LEAST, acceptance
from firefly_agents.composing.known import Known
from firefly_agents.composing.scenario import Move, Scenario, Take, scalars_at
from firefly_agents.composing.script import slot_at
from firefly_agents.composing.supply import Offer, Supply, kind_of
from firefly_agents.offline.memory import ValueMemory
from firefly_mcp.graph.model import ToolGraph
from firefly_mcp.observe import pointer_steps
from firefly_mcp.types import Call, ToolKey

_DRAWN = 140
_BASES = 3
_PER_TOOL = 8
_CALLS = 24
_SERVERS = 7
_GROUP = 3
"""Servers that one session draws on."""
_RANKS = 3
"""Links of each tool that are packed at a time."""
_DEEP = re.compile(r"/\d+/(?:.*/)?\d+")


@dataclass(frozen=True)
class Link:
    """A value of one call for one argument of another."""

    offer: Offer
    target: Call
    pointer: str
    score: float


@dataclass
class _Bin:
    """A session in the making."""

    moves: list[Move] = field(default_factory=list)
    tools: dict[ToolKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    sources: dict[int, int] = field(default_factory=dict)
    servers: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)


class Crossing:
    """Plans scenarios that carry values from server to server."""

    def __init__(self, known: Known, memory: ValueMemory, graph: ToolGraph, *, seed: int) -> None:
        """Plan with what is known to work, what failed, and the edges of the graph."""
        self._known = known
        self._memory = memory
        self._seed = seed
        self._supply = Supply(known, Random(f"{seed}/supply"))
        self._edges: dict[tuple[ToolKey, str], list[ToolKey]] = defaultdict(list)
        for edge in graph.edges:
            if edge.crosses:
                self._edges[edge.target, edge.argument].append(edge.source)
        self._used: Counter[ToolKey] = Counter()
        self._into: dict[ToolKey, list[Link]] = {}

    def scenarios(self) -> Iterator[Scenario]:
        """Sessions that carry every tool's arguments from somewhere, several times over; the fullest of each pass first."""
        tools = [key for key in sorted(self._known.good) if key not in self._known.relation.volatile]
        Random(f"{self._seed}/order").shuffle(tools)
        for key in tools:
            self._into[key] = self._links_into(key)
        rng = Random(f"{self._seed}/crossing")
        for first in range(0, _PER_TOOL, _RANKS):
            links = [link for key in tools for link in self._into[key][first : first + _RANKS]]
            bins = self._packed(links, rng)
            for place in sorted(bins, key=lambda place: -len(place.moves)):
                yield Scenario("crossing", tuple(place.moves))

    def _packed(self, links: Sequence[Link], rng: Random) -> list[_Bin]:
        """The links in as few sessions as will do: those that draw on the same few servers together, by where they lead."""
        groups: dict[int, list[Link]] = defaultdict(list)
        homes = self._homes(links)
        for link in links:
            groups[homes[link.offer.call.server]].append(link)
        packed: list[_Bin] = []
        for group in groups.values():
            bins: list[_Bin] = []
            for link in sorted(group, key=lambda link: (link.target.server, link.offer.call.server, link.offer.call.id)):
                place = self._room(bins, link)
                if place is None:
                    place = _Bin()
                    bins.append(place)
                self._put(place, link, rng)
            packed += bins
        return packed

    def _homes(self, links: Sequence[Link]) -> dict[str, int]:
        """The group of each server that values come from: a few servers to a group, at most one of them with state."""
        counts = Counter(link.offer.call.server for link in links)
        relation = self._known.relation
        ordered = sorted(counts, key=lambda server: (relation.stateless(server), -counts[server], server))
        size = max(1, -(-len(ordered) // _GROUP))
        return {server: place % size for place, server in enumerate(ordered)}

    def _links_into(self, key: ToolKey) -> list[Link]:
        """Links into a tool, of different fields and arguments, best first."""
        rng = Random(f"{self._seed}/{key}/links")
        known, memory = self._known, self._memory
        found: list[tuple[float, float, Link]] = []
        bases = [call for call in known.good[key] if self._may_follow(call)]
        bases = rng.sample(bases, min(_BASES, len(bases)))
        drawn: dict[tuple[str, str], list[Offer]] = {}
        writes = known.writes(key) and not known.relation.stateless(key.server)
        for base in bases:
            for pointer, value in scalars_at(base.arguments):
                slot = slot_at(known.infos[key], pointer)
                if slot is None or isinstance(value, bool) or slot.internal or not _plain(base, pointer):
                    continue
                place = (pointer, kind_of(value))
                if place not in drawn:
                    drawn[place] = list(self._supply.drawn(place[1], _DRAWN, rng, apart=key.server))
                    for source in self._edges.get((key, pointer.split("/")[1]), ())[:12]:
                        drawn[place] += [offer for offer in self._supply.of(source) if offer.kind == place[1]][:4]
                worked = known.worked.get((key, pointer), [value])
                for offer in drawn[place]:
                    score = acceptance(offer, slot, value, worked, memory, writes=writes)
                    if score >= LEAST:
                        found.append((score, rng.random(), Link(offer, base, pointer, score)))
        return self._chosen(found, key)

    def _chosen(self, found: Sequence[tuple[float, float, Link]], key: ToolKey) -> list[Link]:
        """The best few: names that tell first, no field twice, and tools that were drawn on seldom before others."""
        chosen: list[Link] = []
        fields: set[tuple[ToolKey, str]] = set()
        tools: Counter[ToolKey] = Counter()
        rest = sorted(found, key=lambda item: (-round(item[0], 1) + 0.04 * self._used[item[2].offer.seen.tool], item[1]))
        for _, _, link in rest:
            source = (link.offer.seen.tool, link.offer.seen.group)
            if source in fields or tools[source[0]] >= 2:
                continue
            fields.add(source)
            tools[source[0]] += 1
            self._used[source[0]] += 1
            chosen.append(link)
            if len(chosen) >= _PER_TOOL:
                break
        return chosen

    def _may_follow(self, call: Call) -> bool:
        """Whether a call works by itself: nothing of its own server fed it, and no write before it spoke of what it names."""
        return self._known.relation.stateless(call.server) or self._known.alone(call)

    def _room(self, bins: Sequence[_Bin], link: Link) -> _Bin | None:
        """The session of its group that fits a link best."""
        best: tuple[int, int, _Bin] | None = None
        source, target = link.offer.call, link.target
        for place in bins:
            servers = place.servers | {source.server, target.server}
            if len(servers) > _SERVERS or not self._open(place, target) or len(place.moves) + 2 > _CALLS:
                continue
            there = self._at(place, link) is not None
            if not there and not self._open(place, source):
                continue
            score = 4 * there + 2 * (target.server in place.servers) + (source.server in place.servers)
            if best is None or (score, len(place.moves)) > best[:2]:
                best = (score, len(place.moves), place)
        return None if best is None else best[2]

    def _open(self, place: _Bin, call: Call) -> bool:
        """Whether a call may be made in a session: of a server on which nothing was written."""
        return call.server not in place.closed

    def _at(self, place: _Bin, link: Link) -> int | None:
        """The move that returns a link's value, or another of its tool that was itself fed: a longer way to the same field."""
        own = set(place.sources.values())
        fed = [at for at in place.tools.get(link.offer.seen.tool, ()) if at not in own and link.offer.path]
        return fed[-1] if fed else place.sources.get(link.offer.call.id)

    def _put(self, place: _Bin, link: Link, rng: Random, depth: int = 0) -> None:
        at = self._at(place, link)
        if at is None:
            at = self._further(place, link, rng, depth)
        if at is None:
            at = self._source(place, link.offer.call)
        takes = [self._take(place, link.offer, at, link.pointer)]
        takes += self._more_takes(place, link, rng)
        self._append(place, Move(link.target.key, link.target.arguments, tuple(takes)), None)

    def _further(self, place: _Bin, link: Link, rng: Random, depth: int) -> int | None:
        """Have the source fed from a third place first, where the session has room for it: A to B to C."""
        tool = link.offer.call.key
        if depth >= 2 or not link.offer.path or rng.random() < 0.3:
            return None
        for before in self._into.get(tool, ())[:4]:
            servers = place.servers | {before.offer.call.server, tool.server, link.target.server}
            if len(servers) <= _SERVERS and self._open(place, before.offer.call) and self._open(place, before.target):
                self._put(place, before, rng, depth + 1)
                return len(place.moves) - 1
        return None

    def _source(self, place: _Bin, call: Call) -> int:
        """The call that returns a value, after those of its own server that told what it asks for."""
        chain = self._known.chain(call) or [call]
        if len(chain) > 3 or not all(one.id in self._known.free for one in chain):
            chain = [call]
        at = 0
        for one in chain:
            takes = []
            for pointer, flow in self._known.feeds(one).items():
                source = place.sources.get(flow.source)
                if source is not None:
                    takes.append(Take(pointer, source, flow.path, flow.regex, value=flow.value))
            known = place.sources.get(one.id)
            at = known if known is not None else self._append(place, Move(one.key, one.arguments, tuple(takes)), one)
        return at

    def _take(self, place: _Bin, offer: Offer, at: int, pointer: str) -> Take:
        fed = at not in place.sources.values()
        most = abs(offer.seen.value) * 20 if offer.kind == "number" else None
        return Take(pointer, at, offer.path, value=None if fed else offer.seen.value, most=most)

    def _more_takes(self, place: _Bin, link: Link, rng: Random) -> list[Take]:
        """Another argument of the same call fed from the session as well, now and then."""
        if rng.random() > 0.5:
            return []
        known, key = self._known, link.target.key
        for pointer, value in scalars_at(link.target.arguments):
            slot = slot_at(known.infos[key], pointer)
            if pointer == link.pointer or slot is None or isinstance(value, bool) or not _plain(link.target, pointer):
                continue
            worked = known.worked.get((key, pointer), [value])
            sources = list(place.sources.items())
            rng.shuffle(sources)
            for call_id, at in sources:
                offers = [offer for offer in self._supply.of(place.moves[at].tool) if offer.call.id == call_id]
                for offer in rng.sample(offers, min(6, len(offers))):
                    fits = offer.seen.value != link.offer.seen.value and offer.call.server != key.server
                    writes = known.writes(key) and not known.relation.stateless(key.server)
                    if fits and acceptance(offer, slot, value, worked, self._memory, writes=writes) >= LEAST:
                        return [self._take(place, offer, at, pointer)]
        return []

    def _append(self, place: _Bin, move: Move, source: Call | None) -> int:
        place.moves.append(move)
        at = len(place.moves) - 1
        place.tools[move.tool].append(at)
        place.servers.add(move.tool.server)
        if source is not None:
            place.sources[source.id] = at
        relation = self._known.relation
        if relation.writes(move.tool) and not relation.stateless(move.tool.server):
            place.closed.add(move.tool.server)
        return at


def _plain(call: Call, pointer: str) -> bool:
    """Whether a person could say which argument is meant: no cell of a table, no member of a long list."""
    steps = pointer_steps(pointer)
    if _DEEP.search(pointer) or (steps[-1].isdigit() and int(steps[-1]) > 2):
        return False
    holder = call.arguments.get(steps[0])
    return not (steps[-1].isdigit() and isinstance(holder, list) and len(holder) > 3)
