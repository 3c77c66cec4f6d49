"""Which part of a recording goes into a cassette: calls that were asked for, and the calls that they rest on.

What a call answers depends on what was done before it. Where a server has state, a chosen call therefore brings along all
earlier calls of its session with that server (and those of the session that it continues): without them replay would take its
state for another one. On a stateless server a call stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import apsw

from firefly_mcp.jsonio import text
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey


@dataclass(frozen=True)
class Selection:
    """What to take; everything where nothing is named. Several kinds of names narrow one another.

    Attributes:
        sessions: ids of sessions.
        servers: names of servers.
        tools: tool keys.
        calls: ids of calls.
        replays: take the log of replays too.
        beside: servers whose tools are taken besides, all of them, though none of their calls may be. Where this is given, all
            tools of the servers of chosen calls are taken too, not only those that were called.
        effects: take the table of effects, which replay does not need: it learns them from the calls.
    """

    sessions: frozenset[int] = frozenset()
    servers: frozenset[str] = frozenset()
    tools: frozenset[ToolKey] = frozenset()
    calls: frozenset[int] = frozenset()
    replays: bool = True
    beside: frozenset[str] = frozenset()
    effects: bool = True

    @property
    def whole(self) -> bool:
        """Whether this is all of a recording."""
        return self.replays and self.effects and not (self.sessions or self.servers or self.tools or self.calls)


class Slice:
    """The ids of a selection, in temporary tables of the recording's connection: ``slice_call``, ``slice_server`` …"""

    def __init__(self, recording: Recording, selection: Selection) -> None:
        """Choose; :meth:`close` drops the tables."""
        self.recording = recording
        self.db = recording.db
        for name in ("call", "session", "server"):
            self.db.execute(f"DROP TABLE IF EXISTS temp.slice_{name}")
            self.db.execute(f"CREATE TEMP TABLE slice_{name} (id INTEGER PRIMARY KEY)")
        self.db.execute("DROP TABLE IF EXISTS temp.slice_tool")
        self.db.execute("CREATE TEMP TABLE slice_tool (server_id INTEGER, name TEXT, PRIMARY KEY (server_id, name))")
        self._choose(selection)
        self.asked = self._count()
        self._close()
        self.calls = self._count()
        self._around(selection)

    def close(self) -> None:
        """Drop the temporary tables."""
        for name in ("call", "session", "server", "tool"):
            self.db.execute(f"DROP TABLE IF EXISTS temp.slice_{name}")

    def _count(self) -> int:
        return int(str(self.db.execute("SELECT count(*) FROM slice_call").fetchall()[0][0]))

    def _choose(self, selection: Selection) -> None:
        wanted: list[tuple[str, Iterable[apsw.SQLiteValue]]] = [
            ("c.id IN", selection.calls),
            ("c.session_id IN", selection.sessions),
            ("v.name IN", selection.servers),
        ]
        where, values = ["1" if selection.replays or selection.sessions or selection.calls else "s.kind <> 'replay'"], []
        for clause, names in wanted:
            if names:
                where.append(f"{clause} (SELECT value FROM json_each(?))")
                values.append(_json(names))
        if selection.tools:
            where.append("EXISTS (SELECT 1 FROM json_each(?) t WHERE t.value ->> 0 = v.name AND t.value ->> 1 = c.tool)")
            values.append(_json(list(key) for key in sorted(selection.tools)))
        self.db.execute(
            "INSERT INTO slice_call SELECT c.id FROM call c JOIN server v ON v.id = c.server_id"
            f" JOIN session s ON s.id = c.session_id WHERE {' AND '.join(where)}",
            tuple(values),
        )

    def _close(self) -> None:
        """Add the calls on which the chosen ones rest."""
        relation = learn_effects(self.recording)
        ids = {name: number for number, name in self.db.execute("SELECT id, name FROM server")}
        stateful = [ids[name] for name in ids if not relation.stateless(str(name))]
        before = -1
        while before != self._count():
            before = self._count()
            self.db.execute(
                "INSERT OR IGNORE INTO slice_call SELECT e.id FROM call e JOIN ("
                " SELECT session_id, server_id, max(id) AS last FROM call WHERE id IN (SELECT id FROM slice_call)"
                " AND server_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2) k"
                " ON e.session_id = k.session_id AND e.server_id = k.server_id AND e.id < k.last",
                (_json(stateful),),
            )
            self._continued(stateful)

    def _continued(self, stateful: list[apsw.SQLiteValue]) -> None:
        """A session that continues another one begins where that one ended."""
        keys = {session.key: session.id for session in queries.sessions(self.recording)}
        numbers = {str(number): number for number in keys.values()}
        for link in queries.connections(self.recording):
            if not link.origin.startswith("continues("):
                continue
            earlier = link.origin[len("continues(") : -1]
            number = keys.get(earlier, numbers.get(earlier))
            self.db.execute(
                "INSERT OR IGNORE INTO slice_call SELECT c.id FROM call c JOIN server v ON v.id = c.server_id"
                " WHERE c.session_id = ?1 AND v.name = ?2 AND v.id IN (SELECT value FROM json_each(?4))"
                " AND EXISTS (SELECT 1 FROM call o WHERE o.session_id = ?3 AND o.server_id = v.id"
                "             AND o.id IN (SELECT id FROM slice_call))",
                (number, link.server, link.session, _json(stateful)),
            )

    def _around(self, selection: Selection) -> None:
        """The sessions, servers and tools of the chosen calls; servers and sessions that were named, also without calls."""
        self.db.execute(
            "INSERT OR IGNORE INTO slice_session SELECT DISTINCT session_id FROM call WHERE id IN (SELECT id FROM slice_call)"
        )
        self.db.executemany("INSERT OR IGNORE INTO slice_session VALUES (?)", [(number,) for number in selection.sessions])
        self.db.execute(
            "INSERT OR IGNORE INTO slice_server SELECT DISTINCT server_id FROM call WHERE id IN (SELECT id FROM slice_call)"
        )
        self.db.execute(
            "INSERT OR IGNORE INTO slice_server SELECT id FROM server WHERE name IN (SELECT value FROM json_each(?))",
            (_json(selection.servers | selection.beside),),
        )
        if (selection.tools or selection.calls) and not selection.beside:
            self.db.execute(
                "INSERT INTO slice_tool SELECT DISTINCT server_id, tool FROM call"
                " WHERE tool IS NOT NULL AND id IN (SELECT id FROM slice_call)"
            )
        else:
            self.db.execute(
                "INSERT INTO slice_tool SELECT DISTINCT server_id, name FROM tool_snapshot"
                " WHERE server_id IN (SELECT id FROM slice_server)"
            )


def _json(values: Iterable[object]) -> str:
    return text(list(values))
