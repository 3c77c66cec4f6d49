"""Reading a recording back: servers, tools, sessions and calls as the nouns of :mod:`firefly_mcp.types`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, Connection, Session, Tool, ToolKey

_CALL = (
    "SELECT c.id, c.session_id, c.seq, v.name, c.method, c.tool, c.params, c.args_hash, c.result_hash, c.error, c.is_error,"
    " c.status, c.started_at, c.duration_ms, c.overlaps, c.match, c.source_call, c.detail"
    " FROM call c JOIN server v ON v.id = c.server_id JOIN session s ON s.id = c.session_id"
)


def servers(recording: Recording) -> dict[str, JsonObject]:
    """Every server's stored spec, by name, in the order in which they came."""
    return {name: loads(spec) for name, spec in recording.db.execute("SELECT name, spec FROM server ORDER BY id")}


def tools(recording: Recording, server: str | None = None) -> list[Tool]:
    """The latest snapshot of each tool, in the server's own order."""
    rows = recording.db.execute(
        "SELECT v.name, t.definition FROM tool_snapshot t JOIN server v ON v.id = t.server_id"
        " WHERE t.id = (SELECT u.id FROM tool_snapshot u WHERE u.server_id = t.server_id AND u.name = t.name"
        "               ORDER BY u.seen_at DESC, u.id DESC LIMIT 1)"
        " AND (?1 IS NULL OR v.name = ?1) ORDER BY v.id, t.position, t.id",
        (server,),
    )
    return [Tool(name, loads(definition)) for name, definition in rows]


def tool_map(recording: Recording) -> dict[ToolKey, Tool]:
    """The latest snapshot of each tool by its key."""
    return {tool.key: tool for tool in tools(recording)}


def sessions(recording: Recording, *, kind: str | None = None, evidence_only: bool = False) -> list[Session]:
    """Sessions in order; ``evidence_only`` leaves replays out."""
    rows = recording.db.execute(
        "SELECT s.id, s.key, s.kind, s.transport, s.client_info, s.protocol_version, s.labels, s.config, s.started_at,"
        " s.ended_at, (SELECT count(*) FROM call c WHERE c.session_id = s.id) FROM session s"
        " WHERE (?1 IS NULL OR s.kind = ?1) AND (NOT ?2 OR s.kind <> 'replay') ORDER BY s.id",
        (kind, evidence_only),
    )
    return [
        Session(i, key, k, transport, loads(info), version, loads(labels), loads(config), started, ended, count)
        for i, key, k, transport, info, version, labels, config, started, ended, count in rows
    ]


def connections(recording: Recording, session: int | None = None) -> list[Connection]:
    """Which sessions are connected to which servers, and where their state began."""
    rows = recording.db.execute(
        "SELECT n.session_id, v.name, n.protocol_version, n.initialize, n.origin FROM connection n"
        " JOIN server v ON v.id = n.server_id WHERE (?1 IS NULL OR n.session_id = ?1) ORDER BY n.session_id, v.id",
        (session,),
    )
    return [Connection(i, name, version, loads(initialize), origin) for i, name, version, initialize, origin in rows]


def calls(
    recording: Recording,
    *,
    session: int | None = None,
    server: str | None = None,
    tool: str | None = None,
    method: str | None = None,
    evidence_only: bool = False,
    limit: int | None = None,
    results: bool = True,
) -> Iterator[Call]:
    """Calls by session and order; without ``results`` the stored answers are not read (``result`` is None)."""
    where, values = ["1"], []
    for clause, value in (
        ("c.session_id = ?", session),
        ("v.name = ?", server),
        ("c.tool = ?", tool),
        ("c.method = ?", method),
    ):
        if value is not None:
            where.append(clause)
            values.append(value)
    if evidence_only:
        where.append("s.kind <> 'replay'")
    sql = f"{_CALL} WHERE {' AND '.join(where)} ORDER BY c.id"
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    for row in recording.db.execute(sql, tuple(values)):
        yield _call(recording, row, results)


def call(recording: Recording, call_id: int) -> Call | None:
    """One call, or None."""
    rows = recording.db.execute(f"{_CALL} WHERE c.id = ?", (call_id,)).fetchall()
    return _call(recording, rows[0], True) if rows else None


def _call(recording: Recording, row: tuple[Any, ...], results: bool) -> Call:
    (i, session, seq, server, method, tool, params, args_hash, result_hash, error, is_error, status, *rest) = row
    started, duration, overlaps, match, source, detail = rest
    return Call(
        id=i,
        session=session,
        seq=seq,
        server=server,
        method=method,
        tool=tool,
        params=loads(params),
        args_hash=args_hash,
        result=recording.load_result(result_hash) if results and result_hash else None,
        result_hash=result_hash,
        error=loads(error) if error else None,
        is_error=bool(is_error),
        status=status,
        started_at=started,
        duration_ms=duration,
        overlaps=overlaps,
        match=match,
        source_call=source,
        detail=loads(detail) if detail else {},
    )
