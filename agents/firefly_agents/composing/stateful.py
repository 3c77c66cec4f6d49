"""Scenarios of one server with state: up to four writes that are known to work, and before and after each the reads that show
it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from random import Random

from firefly_agents.composing.known import Known, looks, opens, telling
from firefly_agents.composing.scenario import Scenario, scalars_at
from firefly_agents.composing.script import Script
from firefly_agents.offline.words import telling as telling_words
from firefly_mcp.observe import informative
from firefly_mcp.observe.values import value_key
from firefly_mcp.types import Call, ToolKey

MOST_WRITES = 4
_BASES = 5
"""Recorded calls of one writer from which scenarios are made."""
_READS = 3
_OFTEN = 0.3
"""A word in more than this share of a server's tool names (``todo``, ``get``) tells nothing of what one of them is about."""


class Stateful:
    """Plans scenarios over the servers that keep state."""

    def __init__(self, known: Known, *, seed: int, unsteady: Collection[ToolKey], fixed: Mapping[str, Collection[str]]) -> None:
        """Plan.

        Args:
            known: what works.
            seed: of all choices.
            unsteady: writers that answer otherwise each time (with an id that they make up), of which nothing can be proven.
            fixed: for each server the files that it finds.
        """
        self._known = known
        self._seed = seed
        self._unsteady = frozenset(unsteady)
        self._fixed = fixed
        self._readers: dict[str, list[Call]] = defaultdict(list)
        self._spoken: Counter[tuple[str, str]] = Counter()
        """By server: how many tools' names hold a word; under the empty word how many tools there are."""
        for key in known.good:
            self._spoken.update((key.server, word) for word in (*telling_words(key.tool), ""))
        for key, calls in known.good.items():
            if self._reads(key) and key not in self._unsteady:
                self._readers[key.server] += calls[:8]

    def scenarios(self) -> Iterator[Scenario]:
        """Scenarios without end, until nothing new comes: a writer of each server in turn, then their other forms."""
        writers: dict[str, list[ToolKey]] = defaultdict(list)
        for key in self._known.good:
            if key not in self._unsteady and self._changes(key) and self._readers[key.server]:
                writers[key.server].append(key)
        said: set[str] = set()
        for number in range(40):
            fresh = 0
            width = max((len(keys) for keys in writers.values()), default=0)
            for place in range(width):
                for server in sorted(writers):
                    if place >= len(writers[server]):
                        continue
                    scenario = self.scenario(writers[server][place], number)
                    if scenario is not None and scenario.key not in said:
                        said.add(scenario.key)
                        fresh += 1
                        yield scenario
            if not fresh and number > 4:
                return

    def scenario(self, writer: ToolKey, number: int) -> Scenario | None:
        """The ``number``-th scenario about a writer, or None where it cannot be made."""
        rng = Random(f"{self._seed}/{writer}/{number}")
        known = self._known
        bases = known.good[writer][:_BASES]
        base = bases[number % len(bases)]
        script = Script(known, rng, self._fixed.get(writer.server, ()))
        wanted = 2 + number % (MOST_WRITES - 1)
        written = self._play(script, base, vary=number >= len(bases) or number > 0, room=MOST_WRITES)
        if written is None:
            return None
        others = [key for key in known.good if key.server == writer.server and self._changes(key)]
        rng.shuffle(others)
        # Those that speak of the same things first: they go on where the writer left off.
        near = [
            call for key in others if key not in self._unsteady for call in known.good[key][:3] if call.session == base.session
        ]
        far = [
            call for key in others if key not in self._unsteady for call in known.good[key][:2] if call.session != base.session
        ]
        for call in (near + far)[:12]:
            if written >= wanted:
                break
            more = self._play(script, call, vary=True, room=MOST_WRITES - written)
            written += more or 0
        if not self._anything_read(script):
            self._read_last(script, base)
        if not self._anything_read(script):
            return None
        return script.watched("stateful", server=writer.server, writer=str(writer), number=number)

    def _play(self, script: Script, call: Call, *, vary: bool, room: int) -> int | None:
        """Take over a call with what it needs, and reads after each write; gives the number of writes, None where it fails."""
        known = self._known
        chain = known.chain(call)
        if chain is None:
            return None
        todo = [one for one in chain if not script.holds(one)]
        writes = [one for one in todo if known.writes(one.key)]
        if not todo or len(writes) > room or any(one.key in self._unsteady for one in writes):
            return None
        for one in todo:
            writing = known.writes(one.key)
            script.add(one, vary=vary and writing, vital=True)
            # What is open before a write is seen by the reads of that write: they are made before it and after it.
            if writing and (one is call or not opens(one.key)):
                self._reads_after(script, one, most=_READS)
        return len(writes)

    def _reads_after(self, script: Script, write: Call, *, most: int) -> None:
        """Reads that change nothing themselves and show what a write did."""
        known = self._known
        done: set[ToolKey] = set()
        about = telling(write)
        scored: list[tuple[float, int, Call]] = []
        at = len(script.moves) - 1
        later = {call.id for call in known.after(write)}
        for call in self._readers[write.server]:
            if known.writes(call.key) or not known.relation.may_affect(write.key, call.key):
                continue
            effect = known.relation.effect(write.key, call.key)
            shared = len(about.keys() & telling(call).keys())
            fed = self._about(script, call, at)
            lists = not telling(call) and not known.infos[call.key].needed()
            if not (shared or fed or lists):
                continue
            score = (
                1.0 * effect.evident + shared + fed + 0.5 * lists + 0.5 * (call.id in later) + self._kin(write.key, call.key)
            )
            scored.append((score + 0.8 * script.rng.random(), call.id, call))
        for _, _, call in sorted(scored, reverse=True, key=lambda item: item[:2]):
            if call.key in done or len(done) >= most:
                continue
            if self._known_here(script, call, at) and script.add(call, like=at):
                done.add(call.key)

    def _kin(self, write: ToolKey, read: ToolKey) -> bool:
        """Whether their names speak of one thing (``add_footnote``, ``get_footnotes``), and not of what all tools there do."""
        common = telling_words(write.tool) & telling_words(read.tool)
        return any(self._spoken[write.server, word] <= _OFTEN * self._spoken[write.server, ""] for word in common)

    def _read_last(self, script: Script, base: Call) -> None:
        """Where no read is certain to change nothing: one that may, as the last call of all."""
        known = self._known
        about = telling(base)
        for call in [*known.after(base), *self._readers[base.server]]:
            if not self._reads(call.key) or not (about.keys() & telling(call).keys() or not telling(call)):
                continue
            if known.relation.may_affect(base.key, call.key) and self._known_here(script, call) and script.add(call):
                return

    def _anything_read(self, script: Script) -> bool:
        return any(self._reads(move.tool) for move in script.moves)

    def _about(self, script: Script, call: Call, write: int) -> bool:
        """Whether a read can be told to look at what a move wrote: by an argument that both have, or by its answer."""
        if any(script.alike(pointer, value, write) is not None for pointer, value in scalars_at(call.arguments)):
            return True
        takes = (script.take(pointer, flow) for pointer, flow in self._known.feeds(call).items())
        return any(take is not None and take.source == write for take in takes)

    def _known_here(self, script: Script, call: Call, like: int | None = None) -> bool:
        """Whether each thing that a call names is there: fed by a move, spoken of in the script, or there from the start."""
        spoken = {value_key(value) for origin in script.origins for _, value in scalars_at(origin.arguments)}
        for pointer, value in scalars_at(call.arguments):
            if like is not None and script.alike(pointer, value, like) is not None:
                continue
            flow = self._known.feeds(call).get(pointer)
            if flow is not None and self._known.key_of(flow.source) is not None:
                if script.take(pointer, flow) is None:
                    return False
            elif informative(value) >= 0.3 and value_key(value) not in spoken and not self._from_start(call):
                return False
        return True

    def _from_start(self, call: Call) -> bool:
        """Whether the call worked without any write before it, so that what it names is there from the start."""
        return call.id in self._known.free

    def _changes(self, key: ToolKey) -> bool:
        """Whether a tool is known to change something: seen to, or by a word that says so."""
        relation = self._known.relation
        if not self._known.writes(key) or self._reads(key):
            return False
        if relation.presumed(key).source in ("verb", "annotation") and relation.presumed(key).affects:
            return True
        return any(effect.affects for (writer, _), effect in relation.observed.items() if writer == key)

    def _reads(self, key: ToolKey) -> bool:
        """Whether a tool's words say that it looks at things, whatever else may be thought of it."""
        if not self._known.writes(key):
            return True
        return looks(self._known.relation, key)
