"""Trajectories: each recorded session's calls in order, with the values that went from results into later arguments."""

from __future__ import annotations

import time

from firefly_mcp.jsonio import text
from firefly_mcp.observe import flows, is_success
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind

KINDS = (SessionKind.EXPLORE, SessionKind.RECORD, SessionKind.IMPORT)


def store_trajectories(recording: Recording) -> int:
    """Write the trajectory of every session that is no replay, confirmation or probe; gives how many there are."""
    rows = []
    for session in queries.sessions(recording, evidence_only=True):
        if session.kind not in KINDS:
            continue
        calls = list(queries.calls(recording, session=session.id, method="tools/call"))
        if not calls:
            continue
        bindings = [
            {"from": flow.source, "to": flow.target, "argument": flow.argument, "path": flow.path, "regex": flow.regex}
            for flow in flows(calls)
            if flow.whole
        ]
        outcome = {"calls": len(calls), "successful": sum(is_success(call) for call in calls)}
        ids = [call.id for call in calls]
        rows.append((session.id, text(session.labels.get("dag") or {}), text(ids), text(bindings), text(outcome), time.time()))
    with recording.transaction() as db:
        db.execute("DELETE FROM trajectory")
        db.executemany(
            "INSERT INTO trajectory (session_id, dag, calls, bindings, outcome, added_at) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    return len(rows)
