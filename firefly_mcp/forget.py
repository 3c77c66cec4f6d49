"""Forget sessions: their calls, all that was derived from them, and every byte of both.

In one transaction the sessions go, with repeats and replays of them; the effects and the graph are learnt anew from what
remains; tasks that no longer stand are marked. Then the file is written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from firefly_mcp.graph.renew import renew_edges
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.report.figures import size
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.prune import Choice, remove_sessions, squeeze, with_dependants
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.standing import FORGOTTEN, UNPROVEN, Standing
from firefly_mcp.types import Session, ToolKey


@dataclass
class Forgotten:
    """What was forgotten, or would be."""

    dry_run: bool
    sessions: list[Session] = field(default_factory=list)
    chosen: frozenset[int] = frozenset()
    rows: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, tuple[str, str]] = field(default_factory=dict)
    bytes: tuple[int, int] = (0, 0)
    """Size of the files before and after."""

    def to_json(self) -> JsonObject:
        """The shape of ``firefly prune --json``."""
        listed = [
            {"id": s.id, "key": s.key, "kind": s.kind, "calls": s.calls, "chosen": s.id in self.chosen} for s in self.sessions
        ]
        tasks = {
            status: sorted(name for name, fate in self.tasks.items() if fate[0] == status) for status in (FORGOTTEN, UNPROVEN)
        }
        before, after = self.bytes
        return {
            "dry_run": self.dry_run,
            "sessions": listed,
            "removed": self.rows,
            "tasks": tasks,
            "bytes_before": before,
            "bytes_after": after,
        }


def forget(path: Path, choice: Choice, *, dry_run: bool = False) -> Forgotten:
    """Forget the sessions that are meant.

    Args:
        path: the recording. No other process may have it open, except for a dry run.
        choice: which sessions.
        dry_run: say what would go, and change nothing.

    Raises:
        StoreError: there is no sound recording, or another process has it open.
    """
    with Recording(path, exclusive=not dry_run) as recording:
        chosen = choice.of(queries.sessions(recording))
        report = Forgotten(dry_run, with_dependants(recording, chosen), frozenset(session.id for session in chosen))
        before = _size(path)
        if report.sessions:
            recording.db.pragma("temp_store", "memory")
            recording.db.pragma("secure_delete", "on")
            _remove(recording, report)
            if not dry_run:
                squeeze(recording)
        report.bytes = (before, _size(path))
    return report


class _DryRunError(Exception):
    """Ends the transaction of a dry run."""


def _remove(recording: Recording, report: Forgotten) -> None:
    standing = Standing(recording)
    called = _called(recording, report.sessions)
    try:
        with recording.transaction() as db:
            report.rows = remove_sessions(db, report.sessions)
            if any(session.kind != "replay" for session in report.sessions):
                report.rows["effects"] = _renew_effects(recording, db)
                report.rows["edges"] = renew_edges(recording, db)
                report.tasks = standing.fallen(called)
                standing.mark(db, report.tasks)
            if report.dry_run:
                raise _DryRunError
    except _DryRunError:
        return


def _called(recording: Recording, sessions: Sequence[Session]) -> set[ToolKey]:
    numbers = {session.id for session in sessions}
    rows = recording.db.execute(
        "SELECT DISTINCT c.session_id, v.name, c.tool FROM call c JOIN server v ON v.id = c.server_id WHERE c.tool IS NOT NULL"
    )
    return {ToolKey(str(server), str(tool)) for session, server, tool in rows if session in numbers}


def _renew_effects(recording: Recording, db: apsw.Connection) -> int:
    """Replace the stored effects, those that a user declared excepted, by what the remaining calls show."""
    db.execute("DELETE FROM effect WHERE source <> 'declared'")
    count = db.changes()
    if count:
        ids = {str(name): number for number, name in db.execute("SELECT id, name FROM server")}
        rows = [
            (ids[writer.server], writer.tool, reader.tool, int(effect.affects), effect.source, text(effect.evidence))
            for writer, reader, effect in learn_effects(recording).pairs()
        ]
        db.executemany("INSERT OR IGNORE INTO effect VALUES (?, ?, ?, ?, ?, ?)", rows)
    return count


def _size(path: Path) -> int:
    return sum(size(Path(f"{path}{suffix}")) for suffix in ("", "-wal"))
