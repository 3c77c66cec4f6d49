"""Decide what a replayed request is answered with: the one place where replay decides.

The ladder: ``exact`` (canonical hash), ``normalized`` (normal form under the tool's schema), else a declared miss. On each
rung only answers that were given in this session's state count; lenient replay may go to another state and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.replay.index import Candidate, ReplayIndex
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

    ``call`` is the recorded call whose answer is served; on a miss it is None and ``miss`` says why.
    """

    kind: MatchKind
    call: Call | None = None
    same_state: bool = True
    variants: int = 1
    miss: Miss | None = None

    def provenance(self) -> JsonObject:
        """The ``firefly/*`` keys of ``_meta``."""
        meta: JsonObject = {"firefly/match": str(self.kind)}
        if self.call is not None:
            meta["firefly/call"] = self.call.id
            meta["firefly/distance"] = 0
            meta["firefly/state"] = "same" if self.same_state else "other"
            meta["firefly/variants"] = self.variants
        if self.miss is not None:
            meta["firefly/cause"] = self.miss.cause
        return meta


@dataclass
class Replay:
    """A recording ready to be replayed by any number of sessions."""

    recording: Recording
    policy: ReplayPolicy
    index: ReplayIndex

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
        index, policy = self.replay.index, self.replay.policy
        tool = str(params.get("name", "")) if method == "tools/call" else None
        key = ToolKey(server, tool if tool is not None else method)
        args_hash = call_hash(method, params)
        thread = self._thread(server)
        state = thread.history.state_key(key)
        forms = forms or (params,)
        rungs = [(MatchKind.EXACT, index.exact.get((key, call_hash(method, form)), [])) for form in forms]
        if tool is not None and policy.allows(MatchKind.NORMALIZED):
            rungs += [(MatchKind.NORMALIZED, self._normalized(key, form.get("arguments") or {})) for form in forms]
        for kind, candidates in rungs:
            same = [candidate for candidate in candidates if candidate.state_key == state]
            if same:
                return self._serve(thread, key, kind, same, same_state=True)
        for kind, candidates in rungs:
            if candidates and policy.lenient:
                return self._serve(thread, key, kind, candidates, same_state=False)
        nearest = next((candidates for _, candidates in rungs if candidates), [])
        miss = explain_miss(
            self.replay.recording, index, thread.history, key, params, nearest, thread.history.origin == AMBIGUOUS
        )
        thread.history.append(key, args_hash, None, rejected=miss.cause == "invalid_arguments", label=f"{key} (missed)")
        return Answer(MatchKind.MISS, miss=miss)

    def _normalized(self, key: ToolKey, arguments: JSON) -> list[Candidate]:
        index = self.replay.index
        return index.normalized.get((key, index.normalized_hash(key, arguments)), []) if isinstance(arguments, dict) else []

    def state_key(self, server: str, tool: str) -> str:
        """The state in which a call of the tool would be answered now; empty when nothing may affect it."""
        return self._thread(server).history.state_key(ToolKey(server, tool))

    def _serve(self, thread: _Thread, key: ToolKey, kind: MatchKind, found: Sequence[Candidate], *, same_state: bool) -> Answer:
        chosen = self._choose(thread, found)
        call = queries.call(self.replay.recording, chosen.call)
        assert call is not None
        refused = call.is_error and rejected(call.result, call.error)
        # The recorded call enters the history, not the request's own spelling: state keys then agree with the recording's.
        thread.history.append(key, chosen.args_hash, call.result_hash, rejected=refused, label=f"{key} (call {call.id})")
        thread.trace.append((chosen.args_hash, chosen.outcome))
        variants = len({candidate.outcome for candidate in found})
        return Answer(kind, call, same_state, variants)

    def _choose(self, thread: _Thread, found: Sequence[Candidate]) -> Candidate:
        """Of several recorded results: the session that agrees longest with this one's history, then the lowest call id."""
        if len({candidate.outcome for candidate in found}) == 1:
            return found[0]
        traces = self.replay.index.traces

        def agreement(candidate: Candidate) -> int:
            before = traces[(candidate.session, thread.server)][: candidate.position]
            same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, thread.trace, strict=False))
            return sum(1 for _ in same)

        return max(found, key=lambda candidate: (agreement(candidate), -candidate.call))

    def _thread(self, server: str) -> _Thread:
        thread = self._threads.get(server)
        if thread is None:
            begin = start_of(self.replay.index, server, self.replay.policy.start)
            thread = self._threads[server] = _Thread(server, History(self.replay.index.relation, begin.origin, begin.writers))
        return thread
