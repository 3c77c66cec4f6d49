"""Decide what a replayed request is answered with: the one place where replay decides.

The rungs of :mod:`firefly_mcp.replay.ladder` are tried in order, and on each only answers that were given in this session's
state count; lenient replay may then go to another state and says so. What no rung answers is a declared miss.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.replay.index import Candidate, ReplayIndex
from firefly_mcp.replay.ladder import Asked, Group, Neighbours, Rung, ladder
from firefly_mcp.replay.misses import Miss, explain_miss, lone_miss
from firefly_mcp.replay.policy import ReplayPolicy
from firefly_mcp.replay.start import AMBIGUOUS, start_of
from firefly_mcp.state.cursors import cursors_of, paged
from firefly_mcp.state.history import History, outcome_of
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, MatchKind, ToolKey

_TOOLS_KEPT = 10_000
_COMPARED = 256
"""Calls of a recorded session that are compared with this one's at a time."""
MADE_UP = 0
"""The id of a call that stands for an answer which nobody recorded."""
Among = Callable[[int], bool]
"""Says of a recorded call, by its id, whether it may answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What replay says to one request, and how it was found.

    ``call`` is the recorded call whose answer is served; on a miss it is None and ``miss`` says why. ``distance`` is how far
    the request is from that call, 0 for all but a semantic match. What was never recorded (a simulated answer, a fault) is a
    call whose id is :data:`MADE_UP`. ``notes`` are kept with the replayed call, as ``detail``.
    """

    kind: MatchKind
    call: Call | None = None
    same_state: bool = True
    variants: int = 1
    miss: Miss | None = None
    distance: float = 0.0
    notes: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def source(self) -> int | None:
        """The recorded call that answers, if one does."""
        return None if self.call is None or self.call.id == MADE_UP else self.call.id

    @property
    def fault(self) -> str | None:
        """The fault that was laid over this answer on purpose."""
        return self.notes.get("fault")

    @property
    def instead(self) -> bool:
        """Whether a fault stands in place of an answer, so that none was looked for."""
        return self.kind is MatchKind.MISS and self.call is not None

    def provenance(self) -> JsonObject:
        """The ``firefly/*`` keys of ``_meta``."""
        meta: JsonObject = {} if self.fault is None else {"firefly/fault": self.fault}
        if self.instead:
            return meta
        meta["firefly/match"] = str(self.kind)
        if self.source is not None:
            meta |= _found(self.source, self.distance, self.same_state, self.variants)
        if self.miss is not None:
            meta["firefly/cause"] = self.miss.cause
            if "on_miss" in self.notes:
                meta["firefly/on_miss"] = self.notes["on_miss"]
        return meta


class Hit(NamedTuple):
    """A recorded call that answers a request, before it is served."""

    key: ToolKey
    kind: MatchKind
    candidate: Candidate
    same_state: bool
    variants: int
    distance: float

    def provenance(self) -> JsonObject:
        """The ``firefly/*`` keys of ``_meta``."""
        found = _found(self.candidate.call, self.distance, self.same_state, self.variants)
        return {"firefly/match": str(self.kind), **found}


def _found(call: int, distance: float, same_state: bool, variants: int) -> JsonObject:
    return {
        "firefly/call": call,
        "firefly/distance": round(distance, 6) or 0,
        "firefly/state": "same" if same_state else "other",
        "firefly/variants": variants,
    }


@dataclass
class Replay:
    """A recording ready to be replayed by any number of sessions.

    ``neighbours`` ranks recorded calls by their free texts; without it there is no ``semantic`` rung.
    """

    recording: Recording
    policy: ReplayPolicy
    index: ReplayIndex
    neighbours: Neighbours | None = None

    def __post_init__(self) -> None:
        """Set up the ladder."""
        self._ladder = ladder(self.index, self.policy, self.neighbours)
        self._rungs: dict[ToolKey, tuple[Rung, ...]] = {}

    def rungs(self, key: ToolKey) -> tuple[Rung, ...]:
        """The rungs that may answer a tool."""
        known = self._rungs.get(key)
        if known is None:
            rules = self.index.rules
            known = tuple(rung for rung in self._ladder if rules is None or rules.allows(key, rung.kind))
            if len(self._rungs) < _TOOLS_KEPT:  # clients may make names up
                self._rungs[key] = known
        return known

    def session(self, *, lone: bool = False) -> ReplaySession:
        """Begin a session; each has its own state. ``lone``: it is one request of a client that names no session."""
        return ReplaySession(self, lone=lone)


@dataclass
class _Thread:
    """One session's past on one server."""

    server: str
    history: History
    trace: list[tuple[str, str]] = field(default_factory=list)
    agreed: dict[int, int] = field(default_factory=dict)
    """By recorded session: how many first calls are known to agree; inverted once one does not."""


class ReplaySession:
    """Answers the requests of one client session."""

    def __init__(self, replay: Replay, *, lone: bool = False) -> None:
        """Use :meth:`Replay.session`."""
        self.replay = replay
        self._lone = lone
        self._threads: dict[str, _Thread] = {}
        self._histories: dict[tuple[str, ...], History] = {}

    def answer(
        self, server: str, method: str, params: JsonObject, forms: Sequence[JsonObject] = (), among: Among | None = None
    ) -> Answer:
        """Answer one request (``tools/call``, ``resources/read``, …) of ``server`` from the recording.

        ``forms`` are the params as recorded sessions may have redacted them (:class:`~firefly_mcp.replay.forms.RequestForms`),
        looked up in their order; a miss is explained with ``params`` alone. ``among`` says of a recorded call, by its id,
        whether it may answer: an exchange with the client has told some apart.
        """
        asked = _asked(server, method, params, forms)
        if self.lost(asked.key):
            return Answer(MatchKind.MISS, miss=lone_miss(asked.key))
        elsewhere: list[tuple[MatchKind, Group]] = []
        hit = self.hit(asked, among, elsewhere)
        if hit is not None:
            return self._serve(hit)
        return self._miss(self._thread(server), asked, params, elsewhere[0][1].candidates if elsewhere else ())

    def lost(self, key: ToolKey) -> bool:
        """Whether a request is a session of its own, so that nobody can say in which state it means to be answered."""
        return self._lone and not self.replay.policy.lenient and self.replay.index.relation.reads_state(key)

    def hit(
        self, asked: Asked, among: Among | None = None, elsewhere: list[tuple[MatchKind, Group]] | None = None
    ) -> Hit | None:
        """What would answer a request now; None is a miss. Asking changes nothing: :meth:`take` does.

        ``elsewhere`` is filled with what would match but for its state.
        """
        if self.lost(asked.key):
            return None
        thread = self._thread(asked.key.server)
        found = self._find(thread, asked, among, [] if elsewhere is None else elsewhere)
        if found is None:
            return None
        kind, group, same_state = found
        candidates = group.candidates
        if len(candidates) == 1:
            return Hit(asked.key, kind, candidates[0], same_state, 1, group.distance)
        variants = len({candidate.outcome for candidate in candidates})
        return Hit(asked.key, kind, self._choose(thread, candidates), same_state, variants, group.distance)

    def take(self, hit: Hit, *, refused: bool) -> None:
        """Let a recorded call be the session's own: later calls are answered in the state that it leaves.

        ``refused``: the server refused its arguments, so that it changed nothing.
        """
        thread, chosen = self._thread(hit.key.server), hit.candidate
        # The recorded call enters the history, not the request's own spelling: state keys then agree with the recording's.
        if not refused and self.replay.index.relation.writes(hit.key):
            label = f"{hit.key} (call {chosen.call})"
            thread.history.append(hit.key, chosen.args_hash, chosen.outcome, label=label)
        thread.trace.append((chosen.args_hash, chosen.outcome))

    def candidates(self, server: str, method: str, params: JsonObject, forms: Sequence[JsonObject] = ()) -> list[Candidate]:
        """The recorded answers among which :meth:`answer` would choose now, its choice first. Asking changes nothing."""
        thread = self._thread(server)
        found = self._find(thread, _asked(server, method, params, forms), None, [])
        if found is None:
            return []
        group = found[1].candidates
        if len({candidate.outcome for candidate in group}) == 1:
            return list(group)
        return sorted(group, key=lambda candidate: (-self._agreement(thread, candidate), candidate.call))

    def consider(self, server: str, method: str, params: JsonObject, *, among: Among) -> Answer:
        """What :meth:`answer` would say now if only these recorded calls could answer; the session stays as it was.

        Of a miss only the cause is told: ``state`` where one of them has another state, else ``never_recorded``.
        """
        thread = self._thread(server)
        elsewhere: list[tuple[MatchKind, Group]] = []
        found = self._find(thread, _asked(server, method, params, ()), among, elsewhere)
        if found is None:
            return Answer(MatchKind.MISS, miss=Miss("state" if elsewhere else "never_recorded", ""))
        kind, group, same_state = found
        call = queries.call(self.replay.recording, self._choose(thread, group.candidates).call)
        variants = len({candidate.outcome for candidate in group.candidates})
        return Answer(kind, call, same_state, variants, distance=group.distance)

    def _find(
        self, thread: _Thread, asked: Asked, among: Among | None, elsewhere: list[tuple[MatchKind, Group]]
    ) -> tuple[MatchKind, Group, bool] | None:
        """The first group that holds answers of this state, or failing that and if allowed, of another."""
        state = self._state(thread, asked)
        for rung in self.replay.rungs(asked.key):
            for group in rung.groups(asked):
                found = group.candidates
                if among is None and len(found) == 1 and found[0].state_key == state:
                    return rung.kind, group, True
                if among is not None:
                    found = [candidate for candidate in found if among(candidate.call)]
                    if not found:
                        continue
                same = [candidate for candidate in found if candidate.state_key == state]
                if same:
                    return rung.kind, Group(same, group.distance), True
                elsewhere.append((rung.kind, group if among is None else Group(found, group.distance)))
        if elsewhere and self.replay.policy.lenient:
            return (*elsewhere[0], False)
        return None

    def _state(self, thread: _Thread, asked: Asked) -> str:
        """The state in which the request is made; empty when nothing may affect its answer."""
        state = thread.history.state_key(asked.key)
        if state and (cursors := cursors_of(asked.forms[0])):
            return paged(self.replay.recording, state, cursors, reversed(thread.trace))
        return state

    def _miss(self, thread: _Thread, asked: Asked, params: JsonObject, nearest: Sequence[Candidate]) -> Answer:
        key, history = asked.key, thread.history
        undecided = history.origin == AMBIGUOUS
        miss = explain_miss(self.replay.recording, self.replay.index, history, key, params, nearest, undecided)
        # What the real server would have refused as well has no effect.
        refused = miss.cause in ("invalid_arguments", "unknown_tool")
        history.append(key, asked.args_hash, None, rejected=refused, label=f"{key} (missed)")
        return Answer(MatchKind.MISS, miss=miss)

    def state_key(self, server: str, tool: str) -> str:
        """The state in which a call of the tool would be answered now; empty when nothing may affect it."""
        return self._thread(server).history.state_key(ToolKey(server, tool))

    def past(self, server: str) -> int:
        """How many calls that may affect others the session has made; for :meth:`settle`."""
        return len(self._thread(server).history.writers)

    def settle(self, past: int, asked: Call, *, label: str) -> None:
        """Put a call that was answered elsewhere in the place of the miss that it was here.

        Args:
            past: :meth:`past` before the miss; the session must have made no other call that affects anything since.
            asked: the call, with the hashes of what was asked and answered.
            label: how misses to come will name it.
        """
        thread = self._thread(asked.server)
        if self.replay.index.relation.writes(asked.key):
            thread.history.take_back(past)
        refused = asked.is_error and rejected(asked.result, asked.error)
        given = outcome_of(asked.result_hash, asked.error)
        thread.history.append(asked.key, asked.args_hash, given, rejected=refused, label=label)
        thread.trace.append((asked.args_hash, given or ""))

    def _serve(self, hit: Hit) -> Answer:
        call = queries.call(self.replay.recording, hit.candidate.call)
        assert call is not None
        self.take(hit, refused=call.is_error and rejected(call.result, call.error))
        return Answer(hit.kind, call, hit.same_state, hit.variants, distance=hit.distance)

    def _choose(self, thread: _Thread, found: Sequence[Candidate]) -> Candidate:
        """Of several recorded results: the session that agrees longest with this one's history, then the lowest call id."""
        if len({candidate.outcome for candidate in found}) == 1:
            return found[0]
        return max(found, key=lambda candidate: (self._agreement(thread, candidate), -candidate.call))

    def _agreement(self, thread: _Thread, candidate: Candidate) -> int:
        """How many of this session's first calls were the candidate's session's first calls too, with the same answers."""
        while True:
            agreed = thread.agreed.get(candidate.session, 0)
            if agreed < 0:
                return min(~agreed, candidate.position)
            if agreed >= min(len(thread.trace), candidate.position):
                return min(agreed, candidate.position)
            end = min(len(thread.trace), agreed + _COMPARED)
            recorded = self.replay.index.trace(candidate.session, thread.server, agreed, end)
            pairs = zip(recorded, thread.trace[agreed:end], strict=False)
            same = sum(1 for _ in itertools.takewhile(lambda two: two[0] == two[1], pairs))
            thread.agreed[candidate.session] = agreed + same if same == end - agreed else ~(agreed + same)

    def _thread(self, server: str) -> _Thread:
        thread = self._threads.get(server)
        if thread is None:
            thread = self._threads[server] = _Thread(server, self._history(server))
        return thread

    def _history(self, server: str) -> History:
        """The history of a server and of those that declared effects join to it."""
        index, policy = self.replay.index, self.replay.policy
        realm = index.relation.realm(server)
        history = self._histories.get(realm)
        if history is None:
            begins = [start_of(index, name, policy.start) for name in realm]
            if len(begins) == 1:
                history = History(index.relation, *begins[0])
            else:
                undecided = any(begin.origin == AMBIGUOUS for begin in begins)
                history = History(index.relation, AMBIGUOUS if undecided else " ".join(begin.origin for begin in begins))
            self._histories[realm] = history
        return history


def _asked(server: str, method: str, params: JsonObject, forms: Sequence[JsonObject]) -> Asked:
    key = ToolKey(server, str(params.get("name", "")) if method == "tools/call" else method)
    return Asked(key, method, forms or (params,), call_hash(method, params))
