"""Decide what a replayed request is answered with: the one place where replay decides.

The rungs of :mod:`firefly_mcp.replay.ladder` are tried in order, and on each only answers that were given in this session's
state count; lenient replay may then go to another state and says so. What no rung answers is a declared miss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay.index import Candidate, ReplayIndex
from firefly_mcp.replay.ladder import Asked, Group, Neighbours, Rung, ladder
from firefly_mcp.replay.misses import Miss, explain_miss
from firefly_mcp.replay.policy import ReplayPolicy
from firefly_mcp.replay.start import AMBIGUOUS, start_of
from firefly_mcp.state.history import History
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, MatchKind, ToolKey


@dataclass(frozen=True, slots=True)
class Answer:
    """What replay says to one request, and how it was found.

    ``call`` is the recorded call whose answer is served; on a miss it is None and ``miss`` says why. ``distance`` is how far
    the request is from that call, 0 for all but a semantic match.
    """

    kind: MatchKind
    call: Call | None = None
    same_state: bool = True
    variants: int = 1
    miss: Miss | None = None
    distance: float = 0.0

    def provenance(self) -> JsonObject:
        """The ``firefly/*`` keys of ``_meta``."""
        meta: JsonObject = {"firefly/match": str(self.kind)}
        if self.call is not None:
            meta["firefly/call"] = self.call.id
            meta["firefly/distance"] = round(self.distance, 6) or 0
            meta["firefly/state"] = "same" if self.same_state else "other"
            meta["firefly/variants"] = self.variants
        if self.miss is not None:
            meta["firefly/cause"] = self.miss.cause
        return meta


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

    def rungs(self, key: ToolKey) -> Iterator[Rung]:
        """The rungs that may answer a tool."""
        rules = self.index.rules
        return (rung for rung in self._ladder if rules is None or rules.allows(key, rung.kind))

    def session(self) -> ReplaySession:
        """Begin a session; each has its own state."""
        return ReplaySession(self)


@dataclass
class _Thread:
    """One session's past on one server."""

    server: str
    history: History
    trace: list[tuple[str, str]] = field(default_factory=list)


class ReplaySession:
    """Answers the requests of one client session."""

    def __init__(self, replay: Replay) -> None:
        """Use :meth:`Replay.session`."""
        self.replay = replay
        self._threads: dict[str, _Thread] = {}

    def answer(self, server: str, method: str, params: JsonObject, forms: Sequence[JsonObject] = ()) -> Answer:
        """Answer one request (``tools/call``, ``resources/read``, …) of ``server`` from the recording.

        ``forms`` are the params as recorded sessions may have redacted them (:class:`~firefly_mcp.replay.forms.RequestForms`),
        looked up in their order; a miss is explained with ``params`` alone.
        """
        key = ToolKey(server, str(params.get("name", "")) if method == "tools/call" else method)
        thread = self._thread(server)
        state = thread.history.state_key(key)
        asked = Asked(key, method, forms or (params,), call_hash(method, params))
        elsewhere: list[tuple[MatchKind, Group]] = []
        for rung in self.replay.rungs(key):
            for group in rung.groups(asked):
                same = [candidate for candidate in group.candidates if candidate.state_key == state]
                if same:
                    return self._serve(thread, key, rung.kind, Group(same, group.distance), same_state=True)
                elsewhere.append((rung.kind, group))
        if elsewhere and self.replay.policy.lenient:
            return self._serve(thread, key, *elsewhere[0], same_state=False)
        return self._miss(thread, asked, params, elsewhere[0][1].candidates if elsewhere else ())

    def _miss(self, thread: _Thread, asked: Asked, params: JsonObject, nearest: Sequence[Candidate]) -> Answer:
        key, history = asked.key, thread.history
        undecided = history.origin == AMBIGUOUS
        miss = explain_miss(self.replay.recording, self.replay.index, history, key, params, nearest, undecided)
        history.append(key, asked.args_hash, None, rejected=miss.cause == "invalid_arguments", label=f"{key} (missed)")
        return Answer(MatchKind.MISS, miss=miss)

    def state_key(self, server: str, tool: str) -> str:
        """The state in which a call of the tool would be answered now; empty when nothing may affect it."""
        return self._thread(server).history.state_key(ToolKey(server, tool))

    def _serve(self, thread: _Thread, key: ToolKey, kind: MatchKind, found: Group, *, same_state: bool) -> Answer:
        chosen = self._choose(thread, found.candidates)
        call = queries.call(self.replay.recording, chosen.call)
        assert call is not None
        refused = call.is_error and rejected(call.result, call.error)
        # The recorded call enters the history, not the request's own spelling: state keys then agree with the recording's.
        thread.history.append(key, chosen.args_hash, call.result_hash, rejected=refused, label=f"{key} (call {call.id})")
        thread.trace.append((chosen.args_hash, chosen.outcome))
        variants = len({candidate.outcome for candidate in found.candidates})
        return Answer(kind, call, same_state, variants, distance=found.distance)

    def _choose(self, thread: _Thread, found: Sequence[Candidate]) -> Candidate:
        """Of several recorded results: the session that agrees longest with this one's history, then the lowest call id."""
        if len({candidate.outcome for candidate in found}) == 1:
            return found[0]
        index = self.replay.index

        def agreement(candidate: Candidate) -> int:
            before = index.trace(candidate.session, thread.server)[: candidate.position]
            same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, thread.trace, strict=False))
            return sum(1 for _ in same)

        return max(found, key=lambda candidate: (agreement(candidate), -candidate.call))

    def _thread(self, server: str) -> _Thread:
        thread = self._threads.get(server)
        if thread is None:
            begin = start_of(self.replay.index, server, self.replay.policy.start)
            thread = self._threads[server] = _Thread(server, History(self.replay.index.relation, begin.origin, begin.writers))
        return thread
