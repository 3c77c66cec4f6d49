"""Was a call observed twice, apart, in the state in which a plan makes it? What was seen once can give no admitted task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import ReplayIndex
from firefly_mcp.state.history import History
from firefly_mcp.types import Call, SessionKind

ENOUGH = 2


class Observations:
    """How often each call was observed in its own state, in sessions whose beginning is proven."""

    def __init__(self, index: ReplayIndex, load: Callable[[str], JsonObject]) -> None:
        """``load`` gives a result by its hash."""
        self._index = index
        self._load = load
        self._proven = {place for place, link in index.connections.items() if link.origin.startswith("proven(")}

    def proven(self, session: int, server: str) -> bool:
        """Whether it is proven where the session's state on the server began."""
        return (session, server) in self._proven

    def state(self, call: Call) -> str | None:
        """The state in which the call was answered: empty when it depends on none; None when it is not in the index."""
        found = self._index.exact(call.key, call.args_hash)
        return next((candidate.state_key for candidate in found if candidate.call == call.id), None)

    def enough(self, call: Call) -> bool:
        """Whether the call was observed by an exploring and a confirming session at least."""
        sessions = self._outcomes(call)
        kinds = {self._index.sessions[session].kind for session in sessions}
        return len(sessions) >= ENOUGH and SessionKind.CONFIRM in kinds

    def others(self, call: Call) -> Sequence[JsonObject]:
        """The further results that this call gave in this state, each once."""
        outcomes = set(self._outcomes(call).values()) - {call.result_hash}
        return [self._load(outcome) for outcome in sorted(outcomes)]

    def untouched(self, call: Call) -> JsonObject | None:
        """What the same call gave where nothing had been changed yet since a proven beginning; None if that was not recorded,
        the call itself was made there, or it is a change itself.
        """
        link = self._index.connections.get((call.session, call.server))
        own = self.state(call)
        if link is None or not own or self._index.relation.writes(call.key) or (call.session, call.server) not in self._proven:
            return None
        state = History(self._index.relation, self._index.origin_of(call.session, call.server)).state_key(call.key)
        if state == own:
            return None
        for candidate in self._index.exact(call.key, call.args_hash):
            if candidate.state_key == state and candidate.outcome.startswith("blake2b:"):
                return self._load(candidate.outcome)
        return None

    def changed(self, call: Call) -> bool:
        """Whether the call was recorded where nothing had been changed yet, and answered otherwise there."""
        before = self.untouched(call)
        return before is not None and call.result_hash is not None and before != self._load(call.result_hash)

    def _outcomes(self, call: Call) -> dict[int, str]:
        """By proven session, the first result that it gave in this state."""
        found = self._index.exact(call.key, call.args_hash)
        state = next((candidate.state_key for candidate in found if candidate.call == call.id), None)
        outcomes: dict[int, str] = {}
        for candidate in found:
            good = candidate.outcome.startswith("blake2b:") and (candidate.session, call.server) in self._proven
            if good and candidate.state_key == state:
                outcomes.setdefault(candidate.session, candidate.outcome)
        return outcomes
