"""The tools of the replay index, and the hashes of their calls made anew when a schema or the user's rules changed."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from firefly_mcp.jsonio import loads, text
from firefly_mcp.replay.evidence import Evidence, arguments_of, packed
from firefly_mcp.store.transaction import Transaction
from firefly_mcp.types import ToolKey, goes_on

_CHUNK = 5000


def tool_rows(db: apsw.Connection, servers: Mapping[int, str]) -> dict[ToolKey, tuple[int, str]]:
    """The number of each tool or method in the index, and the stamp of what its hashes rest on."""
    rows = db.execute("SELECT server_id, name, id, stamp FROM candidate_tool")
    return {
        ToolKey(servers[int(str(server))], str(name)): (int(str(number)), str(stamp))
        for server, name, number, stamp in rows
        if server in servers
    }


def hash_again(evidence: Evidence, db: apsw.Connection, key: ToolKey, number: int) -> None:
    """Hash the calls of a tool, which has this number in the index, and store its new stamp."""
    last = 0
    while True:
        rows = db.execute(
            "SELECT call_id FROM candidate WHERE tool_id = ? AND call_id > ? ORDER BY call_id LIMIT ?",
            (number, last, _CHUNK),
        ).fetchall()
        if not rows:
            break
        last = int(str(rows[-1][0]))
        _hash_chunk(evidence, db, key, [int(str(row[0])) for row in rows])
    with Transaction(evidence.recording.path, db):
        db.execute("UPDATE candidate_tool SET stamp = ? WHERE id = ?", (evidence.hashes.stamp(key), number))


def _hash_chunk(evidence: Evidence, db: apsw.Connection, key: ToolKey, calls: list[int]) -> None:
    rows = evidence.recording.db.execute(
        "SELECT id, params FROM call WHERE tool IS NOT NULL AND id IN (SELECT value FROM json_each(?))", (text(calls),)
    ).fetchall()
    hashed, texts = [], []
    for number, stored in rows:
        params = loads(str(stored))
        if goes_on(params):
            continue
        normalized, identity, found = evidence.hashes.all(key, arguments_of(params))
        hashed.append((packed(normalized), packed(identity), number))
        texts += [(number, place, digest) for place, digest in found]
    with Transaction(evidence.recording.path, db):
        db.executemany("DELETE FROM candidate_text WHERE call_id = ?", [(number,) for number, _ in rows])
        db.executemany("UPDATE candidate SET normalized = ?, identity = ? WHERE call_id = ?", hashed)
        db.executemany("INSERT INTO candidate_text VALUES (?, ?, ?)", texts)
