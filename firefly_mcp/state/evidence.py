"""What recorded calls show of effects. One pass over each session, in which every call costs the same however long it is.

* X, W, X with two answers, W the only call in between that may write: W affects X. Where several may have written, the others
  have to be cleared first.
* X, X with two answers and nothing in between: X is volatile, if it does not itself write. So it is when only reads stood in
  between and the answers differ in nothing but times and made-up ids; else one of those reads is not what it says.
* X, W, X with one answer shows that W does not affect X only if W was the only call in between that may write (two writes may
  cancel each other), W succeeded and shares an identifying value with X (or X has none), over three distinct calls of W or
  more. Of a tool that takes a language or an action it shows nothing: it may be asked for anything else the next time.
* A number in X's answers grows with every call of W (:mod:`firefly_mcp.state.counters`): W affects X, whatever its name says.
* A probe session that repeats a session without one of its writers: a read that answers otherwise was affected by it.

Overlapping calls prove nothing, nor do those that hand in a cursor (they belong to the call that issued it). Replayed calls are
no evidence.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firefly_mcp.differences import differences
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.state.counters import Movers, movers, near_clock, view
from firefly_mcp.state.cursors import cursors_of
from firefly_mcp.state.effects import PROTOCOL_READS, Effect, EffectRelation, Pair
from firefly_mcp.state.rejection import rejected
from firefly_mcp.state.verbs import takes_language
from firefly_mcp.types import Call, CallStatus, Tool, ToolKey

EQUALITIES_NEEDED = 3
_FAR = 24
"""How many possible writers between two reads are looked at; a difference with more in between shows too little."""
_INCIDENTAL = re.compile(r"limit|offset|page|count|size|max|min|verbose|format|mode|sort|depth|top_?k|^n$", re.IGNORECASE)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?")
_CLOCK = re.compile(
    r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\b\d+(?:\.\d+)? ?(?:ms|µs|us|s|sec|seconds|MB|KB)\b"
)
_DURATION = re.compile(r"elapsed|duration|uptime|latency|_ms$|seconds|memory|\bpid\b", re.IGNORECASE)
Probe = tuple[Sequence[Call], Sequence[Call]]
"""``(the calls of a probe, the calls of the session that it repeats)``."""


@dataclass(frozen=True)
class Observed:
    """What the calls show: effects of pairs, and the tools that answer otherwise by themselves."""

    effects: dict[Pair, Effect] = field(default_factory=dict)
    volatile: frozenset[ToolKey] = frozenset()


def observe(
    tools: Mapping[ToolKey, Tool],
    sessions: Sequence[Sequence[Call]],
    probes: Sequence[Probe] = (),
    *,
    succeeded: Callable[[Call], bool] = lambda call: not call.is_error,
    result_of: Callable[[Call], Any] = lambda call: call.result,
) -> Observed:
    """Read sessions, each in order, and probes.

    Args:
        tools: the tools' definitions.
        sessions: calls by session; those of several servers may be mixed.
        probes: what was repeated without a writer.
        succeeded: whether a call did what it was asked; asked seldom.
        result_of: a call's result; asked seldom.
    """
    evidence = _Evidence(EffectRelation(tools), succeeded, result_of)
    for session in sessions:
        for _, calls in itertools.groupby(sorted(session, key=lambda c: (c.server, c.seq)), key=lambda c: c.server):
            evidence.read_session(list(calls))
    evidence.compare()
    for probe, original in probes:
        evidence.read_probe(probe, original)
    return Observed(evidence.effects(), frozenset(evidence.volatile))


class _Evidence:
    """Collects differences and equalities, one session at a time."""

    def __init__(self, prior: EffectRelation, succeeded: Callable[[Call], bool], result_of: Callable[[Call], Any]) -> None:
        self.prior = prior
        self.succeeded = succeeded
        self.result_of = result_of
        self.volatile: set[ToolKey] = set()
        self.movers: Movers = {}
        self._repeats: list[tuple[Call, Call, tuple[Call, ...], bool, tuple[Call, ...]]] = []
        self.different: dict[Pair, JsonObject] = {}
        self.unclear: list[tuple[ToolKey, frozenset[ToolKey], list[int]]] = []
        self.equal: dict[Pair, dict[str, int]] = defaultdict(dict)

    def read_session(self, calls: Sequence[Call]) -> None:
        """Take in one session's calls of one server, in order."""
        for reader, places in movers(calls, self.result_of).items():
            for place, found in places.items():
                known = self.movers.setdefault(reader, {})
                known[place] = known.get(place, frozenset()) | found
        last: dict[tuple[ToolKey, str], int] = {}
        writers: list[int] = []  # places of the calls that may write, in order
        overlapping = 0
        overlaps_before: list[int] = []
        for index, call in enumerate(calls):
            overlaps_before.append(overlapping)
            overlapping += bool(call.overlaps)
            if call.status == CallStatus.DONE and not call.overlaps and not cursors_of(call.params):
                seen = last.get((call.key, call.args_hash))
                if seen is not None and overlaps_before[index] == overlaps_before[seen]:
                    between = tuple(calls[at] for at in writers[-_FAR:] if at > seen)
                    nearest = tuple(calls[max(seen + 1, index - _FAR) : index])
                    self._repeats.append((calls[seen], call, between, len(between) == _FAR, nearest))
                last[(call.key, call.args_hash)] = index
            if self._may_write(call):
                writers.append(index)

    def _may_write(self, call: Call) -> bool:
        if call.key.tool in PROTOCOL_READS or not self.prior.writes(call.key):
            return False
        return not (call.is_error and rejected(self.result_of(call), call.error))

    def compare(self) -> None:
        """Compare the repeated calls, once all that counts by itself is known."""
        for before, after, between, many, nearest in self._repeats:
            self._compare(before, after, between, many, nearest)
        self._repeats.clear()
        for reader, places in self.movers.items():
            for place, writers in places.items():
                for writer in writers:
                    self.different.setdefault((writer, reader), {"grows": place})

    def _compare(self, before: Call, after: Call, between: Sequence[Call], many: bool, nearest: Sequence[Call]) -> None:
        """Compare a call with its repetition.

        Args:
            before: the call.
            after: its next repetition.
            between: the possible writers between them, or as many as are looked at.
            many: whether there were more of them.
            nearest: all calls between them, or the last of them.
        """
        writing = [call for call in between if self.prior.may_affect(call.key, after.key)]
        if _outcome(before) == _outcome(after):
            if len(writing) == 1 and not many:
                self._same(writing[0], after)
            return
        ids = [before.id, after.id]
        keys = frozenset(call.key for call in writing)
        if self.prior.may_affect(after.key, after.key):  # the call itself was the first write after it
            keys |= {after.key}
        changed = self._changed(before, after)
        if changed == "count":
            return
        if not nearest and not keys:
            self.volatile.add(after.key)
        elif many or (changed == "clock" and keys):
            return
        elif len(keys) == 1:
            self._differs(next(iter(keys)), after.key, ids)
        elif keys:
            self.unclear.append((after.key, keys, ids))
        else:
            self._accuse(nearest, after, ids, changed)

    def _changed(self, before: Call, after: Call) -> str:
        """In what two answers differ: in nothing but a ``clock``, in a ``count`` too (what moves it is known), or otherwise."""
        one, other = view(self.result_of(before)), view(self.result_of(after))
        if one is None or other is None:
            return "otherwise"
        counting = self.movers.get(after.key, {})
        found = "clock"
        places = differences(one, other, limit=50)
        for place in places:
            if place in counting:
                found = "count"
            elif not _is_clock(place, _at(one, place), _at(other, place), before.started_at):
                return "otherwise"
        return found if places else "otherwise"

    def _accuse(self, between: Sequence[Call], after: Call, ids: list[int], changed: str) -> None:
        """Only calls that are said to read stood between two different answers."""
        others = {call.key for call in between if call.key.tool not in PROTOCOL_READS} - {after.key}
        if not others or changed == "clock":
            self.volatile.add(after.key)
            return
        less_sure = {key for key in others if self.prior.presumed(key).source != "annotation"}
        for key in less_sure or others:
            self._differs(key, after.key, ids, among=len(less_sure or others))

    def _differs(self, writer: ToolKey, reader: ToolKey, ids: list[int], *, among: int = 1) -> None:
        evidence: JsonObject = {"calls": ids} if among == 1 else {"calls": ids, "among": among}
        known = self.different.get((writer, reader))
        if known is None or ("among" in known and among == 1):
            self.different[(writer, reader)] = evidence

    def _same(self, writer: Call, reader: Call) -> None:
        mine = naming_values(reader.arguments)
        tool = self.prior.tools.get(writer.key)
        if tool is not None and takes_language(tool):
            return
        if (not mine or mine & naming_values(writer.arguments)) and writer.status == CallStatus.DONE and self.succeeded(writer):
            self.equal[(writer.key, reader.key)].setdefault(writer.args_hash, writer.id)

    def read_probe(self, probe: Sequence[Call], original: Sequence[Call]) -> None:
        repeated = {(call.key, call.args_hash): call for call in probe if call.status == CallStatus.DONE}
        left_out: dict[ToolKey, list[Call]] = {}
        for call in original:
            twin = repeated.get((call.key, call.args_hash))
            if twin is None:
                if self._may_write(call):
                    left_out.setdefault(call.key, []).append(call)
                continue
            if call.status != CallStatus.DONE or not left_out:
                continue
            causes = [key for key in left_out if self.prior.may_affect(key, call.key)]
            if len(causes) != 1:
                continue
            if _outcome(call) != _outcome(twin):
                self._differs(causes[0], call.key, [twin.id, call.id])
            elif len(left_out[causes[0]]) == 1:
                self._same(left_out[causes[0]][0], call)

    def effects(self) -> dict[Pair, Effect]:
        """The verdicts: a difference wins over any number of equalities; a volatile reader shows nothing."""
        equal = {pair: ids for pair, ids in self.equal.items() if len(ids) >= EQUALITIES_NEEDED and pair not in self.different}
        for reader, writers, ids in self.unclear:
            left = [writer for writer in writers if (writer, reader) not in equal]
            if len(left) == 1:
                self._differs(left[0], reader, ids)
            elif not left and not any((writer, reader) in self.different for writer in writers):
                for writer in writers:  # one of them did it, so what cleared them all was not enough
                    equal.pop((writer, reader), None)
        found = {
            pair: Effect(False, "equality", {"distinct_calls": len(ids), "calls": list(ids.values())[:EQUALITIES_NEEDED]})
            for pair, ids in equal.items()
        }
        for pair, evidence in self.different.items():
            if pair[1] not in self.volatile:
                found[pair] = Effect(True, "observed", evidence)
        return found


def _outcome(call: Call) -> str:
    return call.result_hash or str(call.error)


def naming_values(arguments: Any, name: str = "") -> set[str]:
    """The scalar values of arguments that can name a thing: no booleans, no sizes and formats, no prose."""
    if isinstance(arguments, dict):
        return set().union(*(naming_values(value, key) for key, value in arguments.items())) if arguments else set()
    if isinstance(arguments, list):
        return set().union(*(naming_values(value, name) for value in arguments)) if arguments else set()
    if arguments is None or isinstance(arguments, bool) or _INCIDENTAL.search(name):
        return set()
    words = str(arguments)
    return set() if words.count(" ") >= 3 else {words}


def _is_clock(place: str, one: Any, other: Any, called_at: float) -> bool:
    """Whether two values differ as times of the day, durations and made-up ids do.

    A number is a clock if it is near the time of the call: servers with a clock of their own count calls with it.
    """
    if type(one) is not type(other) or isinstance(one, dict | list):
        return False
    if isinstance(one, str):
        return _timeless(one, called_at) == _timeless(other, called_at)
    if not isinstance(one, int | float):
        return False
    if _DURATION.search(place.rpartition("/")[2]):
        return True
    return near_clock(one, called_at) and near_clock(other, called_at)


def _timeless(text: str, called_at: float) -> str:
    """A text without the time of the call, durations and made-up ids. A date that is not about now is no clock of ours."""
    days = {time.strftime("%Y-%m-%d", time.gmtime(called_at + offset * 86400)) for offset in (-1, 0, 1)}
    return _CLOCK.sub("", _STAMP.sub(lambda found: "" if found[1] in days else found[0].replace(":", "_"), text))


def _at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        value = value.get(step) if isinstance(value, dict) else value[int(step)] if int(step) < len(value) else None
    return value
