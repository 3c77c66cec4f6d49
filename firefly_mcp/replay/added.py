"""Calls that were recorded while a replay runs (by the rung ``live``), so that they answer in this process at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from firefly_mcp.replay.call_hashes import CallHashes
from firefly_mcp.replay.candidate import Candidate, outcome_of
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History
from firefly_mcp.state.rejection import rejected
from firefly_mcp.types import Call, ToolKey

Begin = Callable[[int, str], History]
"""Gives the history with which a session begins on a server."""


class AddedCalls:
    """Look-up tables in memory over the sessions of which calls were added, under the relation with which replay began."""

    def __init__(self, relation: EffectRelation, hashes: CallHashes, begin: Begin) -> None:
        """Nothing is added yet."""
        self._relation = relation
        self._hashes = hashes
        self._begin = begin
        self._found: dict[tuple[str, ToolKey, str], list[Candidate]] = defaultdict(list)
        self._histories: dict[tuple[int, str], History] = {}
        self._traces: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)

    def add(self, call: Call) -> None:
        """Take in an answered call, after those of its session that came before it."""
        place = (call.session, call.server)
        history = self._histories.get(place)
        if history is None:
            history = self._histories[place] = self._begin(*place)
        trace = self._traces[place]
        outcome = outcome_of(call)
        candidate = Candidate(call.id, call.session, len(trace), history.state_key(call.key), outcome, call.args_hash)
        self._found[("args", call.key, call.args_hash)].append(candidate)
        if call.tool is not None:
            normalized, identity, _ = self._hashes.all(call.key, call.arguments)
            self._found[("normalized", call.key, normalized)].append(candidate)
            self._found[("identity", call.key, identity)].append(candidate)
        trace.append((call.args_hash, outcome))
        refused = call.is_error and rejected(call.result, call.error)
        history.append(call.key, call.args_hash, call.result_hash, rejected=refused)

    def find(self, name: str, key: ToolKey, digest: str) -> list[Candidate]:
        """The added calls of a tool with this hash, in order; ``name`` is ``args``, ``normalized`` or ``identity``."""
        return self._found.get((name, key, digest), [])

    def trace(self, session: int, server: str) -> list[tuple[str, str]] | None:
        """The calls of a session on a server; None if none was added."""
        return self._traces.get((session, server))
