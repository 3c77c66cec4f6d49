"""Calls recorded while an index is open, by the ``live`` rung: kept in memory until the index of the file takes them in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from firefly_mcp.replay.candidate import Candidate
from firefly_mcp.state.history import History, outcome_of
from firefly_mcp.state.rejection import rejected
from firefly_mcp.types import Call, CallStatus, ToolKey

Place = tuple[int, str]


class Additions:
    """Candidates beside those of the file."""

    def __init__(self, begin: Callable[[Place], History], hashes: Callable[[Call], Sequence[tuple[str, str]]]) -> None:
        """Begin with none.

        Args:
            begin: the history with which a session begins on a server.
            hashes: the ``(name of the look-up, hash)`` under which a call is to be found.
        """
        self._begin = begin
        self._hashes = hashes
        self._histories: dict[Place, History] = {}
        self._found: dict[tuple[str, ToolKey, str], list[Candidate]] = defaultdict(list)
        self._traces: dict[Place, list[tuple[str, str]]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._histories)

    @property
    def places(self) -> list[Place]:
        """The sessions, with the servers that they called."""
        return list(self._histories)

    def add(self, call: Call) -> None:
        """Take in a call, after those of its session that came before it."""
        place = (call.session, call.server)
        history = self._histories.get(place)
        if history is None:
            history = self._histories[place] = self._begin(place)
        trace = self._traces[place]
        given = outcome_of(call.result_hash, call.error)
        if call.status == CallStatus.DONE:
            outcome = given or ""
            found = Candidate(call.id, call.session, len(trace), history.state_key(call.key), outcome, call.args_hash)
            for name, digest in self._hashes(call):
                self._found[(name, call.key, digest)].append(found)
            trace.append((call.args_hash, outcome))
        refused = call.is_error and rejected(call.result, call.error)
        history.append(call.key, call.args_hash, given, rejected=refused, label=f"{call.key} (call {call.id})")

    def look_up(self, name: str, key: ToolKey, digest: str) -> Sequence[Candidate]:
        """The candidates with this hash."""
        return self._found.get((name, key, digest), ())

    def trace(self, place: Place) -> Sequence[tuple[str, str]] | None:
        """The calls of a session on a server; None when it is not here."""
        return self._traces.get(place)

    def history(self, place: Place) -> History | None:
        """The history of a session on a server so far; None when it is not here."""
        return self._histories.get(place)

    def knows(self, method: str) -> bool:
        """Whether any call of this tool or method is here."""
        return any(key.tool == method for _, key, _ in self._found)
