"""A recording in figures."""

from __future__ import annotations

from pathlib import Path

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import CallStatus


def figures(recording: Recording) -> JsonObject:
    """Count what a recording holds.

    Returns:
        ``{servers, tools, sessions, calls, interrupted, bytes, by_match}`` and more: ``errors`` and ``by_method`` over all
        calls, ``by_kind`` (calls by the kind of their session), ``results`` (distinct stored results), ``tasks`` by status,
        ``redacted`` (how often each rule of redaction replaced something).
        ``by_match`` counts replayed calls only; ``bytes`` is the size of the file with its write-ahead log.
    """

    def one(sql: str, *values: str) -> int:
        return int(str(recording.db.execute(sql, values).fetchall()[0][0]))

    def by(sql: str) -> dict[str, int]:
        return {str(key): int(str(count)) for key, count in recording.db.execute(sql)}

    return {
        "servers": one("SELECT count(*) FROM server"),
        "tools": one("SELECT count(*) FROM (SELECT DISTINCT server_id, name FROM tool_snapshot)"),
        "sessions": one("SELECT count(*) FROM session"),
        "calls": one("SELECT count(*) FROM call"),
        "interrupted": one("SELECT count(*) FROM call WHERE status = ?", CallStatus.INTERRUPTED),
        "bytes": sum(size(Path(f"{recording.path}{suffix}")) for suffix in ("", "-wal")),
        "by_match": by("SELECT match, count(*) FROM call WHERE match IS NOT NULL GROUP BY match ORDER BY 2 DESC, 1"),
        "errors": one("SELECT count(*) FROM call WHERE is_error"),
        "results": one("SELECT count(DISTINCT result_hash) FROM call"),
        "by_kind": by(
            "SELECT s.kind, count(*) FROM call c JOIN session s ON s.id = c.session_id GROUP BY 1 ORDER BY 2 DESC, 1"
        ),
        "by_method": by("SELECT method, count(*) FROM call GROUP BY 1 ORDER BY 2 DESC, 1"),
        "tasks": by("SELECT status, count(*) FROM task GROUP BY 1 ORDER BY 2 DESC, 1"),
        "redacted": by(
            "SELECT r.key, sum(r.value) FROM session s, json_each(s.labels, '$.redacted') r GROUP BY 1 ORDER BY 2 DESC, 1"
        ),
    }


def size(path: Path) -> int:
    """The size of a file in bytes; none counts as empty."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
