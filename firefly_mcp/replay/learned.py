"""The effect relation that replay goes by. What the calls of a server show is kept in the file, and learned again on change."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JSON, loads, text
from firefly_mcp.replay.rules import NO_REPLAY_RULES, ReplayRules
from firefly_mcp.state.declared import declared_stateless
from firefly_mcp.state.effects import Effect, EffectRelation, Pair
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool, ToolKey

ALGORITHM = 4
"""Raised when the same calls or words show other effects than before, so that stored ones are learned anew."""


class LearnedEffects:
    """What the calls of a recording show of its tools' effects, by server."""

    def __init__(self, recording: Recording, tools: Mapping[ToolKey, Tool], calls: Mapping[str, JSON]) -> None:
        """Read what is kept, and learn what is missing or no longer true.

        Args:
            recording: its calls are the evidence.
            tools: its tools.
            calls: for each server, whatever changes when its calls do.
        """
        self._recording = recording
        self._tools = tools
        self._observed: dict[str, list[list[JSON]]] = {}
        self._volatile: dict[str, list[str]] = {}
        self.fresh: dict[str, tuple[str, str, str]] = {}
        """Rows that are not in the file yet, by server: stamp, observed, volatile."""
        kept = self._kept()
        for server, seen in calls.items():
            stamp = hash_json([ALGORITHM, self._definitions(server), seen])
            row = kept.get(server)
            if row is None or row[0] != stamp:
                row = self.fresh[server] = (stamp, *self._learn(server))
            self._observed[server], self._volatile[server] = loads(row[1]), loads(row[2])

    def relation(self, rules: ReplayRules | None = None) -> EffectRelation:
        """The relation, with what the servers' configuration and the user's rules declare."""
        rules = rules or NO_REPLAY_RULES
        observed: dict[Pair, Effect] = {}
        volatile = {ToolKey(server, name) for server, names in self._volatile.items() for name in names}
        for server, pairs in self._observed.items():
            for writer, reader, affects, source, evidence in pairs:
                observed[(ToolKey(server, writer), ToolKey(server, reader))] = Effect(bool(affects), source, evidence)
        for key, said in rules.volatile(self._tools).items():
            (volatile.add if said else volatile.discard)(key)
        return EffectRelation(
            self._tools,
            observed=observed,
            declared=rules.declared(self._tools),
            volatile=volatile,
            stateless=declared_stateless(self._recording),
        )

    def digest(self, server: str, relation: EffectRelation) -> str:
        """What the state keys of a server's calls rest on."""
        declared = [
            [str(writer), str(reader), effect.affects]
            for (writer, reader), effect in relation.declared.items()
            if server in (writer.server, reader.server)
        ]
        # Why there is no effect tells which writes commute.
        observed = [[writer, reader, bool(affects)] for writer, reader, affects, *_ in self._observed.get(server, [])]
        stateless = server in relation.stateless_servers
        return hash_json([ALGORITHM, self._definitions(server), sorted(observed), sorted(declared), stateless])

    def store(self, db: apsw.Connection) -> None:
        """Keep what was learned, inside the caller's transaction."""
        ids = self._server_ids()
        db.executemany(
            "INSERT OR REPLACE INTO learned_effect VALUES (?, ?, ?, ?)",
            [(ids[server], *row) for server, row in self.fresh.items() if server in ids],
        )

    def _kept(self) -> dict[str, tuple[str, str, str]]:
        rows = self._recording.db.execute(
            "SELECT v.name, e.stamp, e.observed, e.volatile FROM learned_effect e JOIN server v ON v.id = e.server_id"
        )
        return {str(name): (str(stamp), str(observed), str(volatile)) for name, stamp, observed, volatile in rows}

    def _server_ids(self) -> dict[str, int]:
        return {str(name): int(str(number)) for number, name in self._recording.db.execute("SELECT id, name FROM server")}

    def _definitions(self, server: str) -> JSON:
        return sorted([key.tool, tool.hash] for key, tool in self._tools.items() if key.server == server)

    def _learn(self, server: str) -> tuple[str, str]:
        from firefly_mcp.state.learn import observed_effects  # slow to load, and not needed where nothing has changed

        found = observed_effects(self._recording, self._tools, server)
        observed = [
            [writer.tool, reader.tool, effect.affects, effect.source, effect.evidence]
            for (writer, reader), effect in found.effects.items()
        ]
        return text(observed), text(sorted(key.tool for key in found.volatile))
