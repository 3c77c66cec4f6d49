"""Cassettes: a recording, or a part of it, as JSON lines that can be committed, compared and sent, and come back as they were.

The first line is ``{"firefly/cassette": 1, "recording": ID, "whole": bool, "lines": N, "checksum": "blake2b:…"}``; the checksum
is over all bytes after it. Then comes a line for each row (:mod:`firefly_mcp.exchange.rows`), with the ids that the rows have.
``docs/reference/cassette.md`` is the reference.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firefly_mcp.errors import UsageError
from firefly_mcp.exchange.packed import open_packed, pack
from firefly_mcp.exchange.rows import Row, decode, encode, rows
from firefly_mcp.exchange.selection import Selection, Slice
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.store import blobs
from firefly_mcp.store.intake import BATCH
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import ASIDE

FORMAT = 1
MARK = "firefly/cassette"
_CHECKSUM = "blake2b:" + "0" * 32
_LINES = 10**9
"""Stands for the number of lines until it is known: as many digits as it may have."""

TABLES = (
    "server",
    "tool_snapshot",
    "session",
    "connection",
    "blob",
    "call",
    "call_event",
    "effect",
    "edge",
    "trajectory",
    "task",
    "verdict",
    "embedder",
    "vector",
    "simulated",
    "info",
)
"""What a whole cassette holds, in the order of its lines. What is derived (the index of replay) is made anew."""
_ORDER = {
    "blob": "hash",
    "connection": "session_id, server_id",
    "effect": "server_id, writer, reader",
    "edge": "source_server, source_tool, target_server, target_tool, argument",
    "verdict": "task_id, gate",
    "vector": "embedder_id, text_hash",
    "simulated": "server_id, tool, args_hash, state_key, model",
    "info": "key",
}
_LISTED = (
    f"direction = '{ASIDE}' AND session_id IN (SELECT id FROM slice_session) AND message ->> 'server' IN"
    " (SELECT name FROM server WHERE id IN (SELECT id FROM slice_server))"
)
_OF_THE_FILE = " WHERE key NOT IN ('recording_id', 'replay_index')"
_PARTS: dict[str, str] = {
    "server": "id IN (SELECT id FROM slice_server)",
    "tool_snapshot": "(server_id, name) IN (SELECT server_id, name FROM slice_tool)",
    "session": "id IN (SELECT id FROM slice_session)",
    "connection": "session_id IN (SELECT id FROM slice_session) AND server_id IN (SELECT id FROM slice_server)",
    "blob": "hash IN (SELECT result_hash FROM call WHERE id IN (SELECT id FROM slice_call)"
    f" UNION SELECT message ->> 'result_hash' FROM call_event WHERE {_LISTED})",
    "call": "id IN (SELECT id FROM slice_call)",
    "call_event": f"call_id IN (SELECT id FROM slice_call) OR {_LISTED}"
    f" OR call_id IS NULL AND direction <> '{ASIDE}' AND session_id IN (SELECT id FROM slice_session)",
    "effect": "server_id IN (SELECT id FROM slice_server)",
}
"""What of a table goes into the cassette of a slice."""


@dataclass(frozen=True)
class Written:
    """What a cassette holds."""

    path: Path
    lines: int
    sessions: int
    calls: int
    brought_along: int
    """Calls that nobody asked for, on which the others rest."""
    checksum: str

    def to_json(self) -> JsonObject:
        """The shape of ``firefly export --format cassette --json``."""
        return {**self.__dict__, "path": str(self.path)}


def write_cassette(recording: Recording, path: Path, selection: Selection | None = None) -> Written:
    """Write a recording, or what is selected of it, to ``path``; a reader sees no file or a whole one.

    The same recording gives the same bytes. A name that ends in ``.gz`` is written compressed.

    Raises:
        UsageError: nothing is selected.
    """
    chosen = selection or Selection()
    # One state of the recording, whoever else writes it meanwhile.
    recording.db.execute("BEGIN")
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    found = None
    try:
        found = None if chosen.whole else Slice(recording, chosen)
        if found is not None and not found.calls:
            raise UsageError(f"{recording.path}: no call is selected; 'firefly calls' lists them")
        written = _write(recording, part, path, chosen, found.calls - found.asked if found is not None else 0)
        if path.suffix == ".gz":
            pack(part)
        part.replace(path)
        return written
    finally:
        part.unlink(missing_ok=True)
        if found is not None:
            found.close()
        recording.db.execute("ROLLBACK")


def _write(recording: Recording, part: Path, path: Path, chosen: Selection, brought_along: int) -> Written:
    whole = chosen.whole
    digest = hashlib.blake2b(digest_size=16)
    counts: dict[str, int] = {}
    with part.open("wb") as file:
        file.write(_header(recording, whole, _LINES, _CHECKSUM))
        for table, row in _lines(recording, chosen):
            line = encode(table, row) + b"\n"
            digest.update(line)
            file.write(line)
            counts[table] = counts.get(table, 0) + 1
        lines, checksum = sum(counts.values()), f"blake2b:{digest.hexdigest()}"
        file.seek(0)
        file.write(_header(recording, whole, lines, checksum))
    return Written(path, lines, counts.get("session", 0), counts.get("call", 0), brought_along, checksum)


def _header(recording: Recording, whole: bool, lines: int, checksum: str) -> bytes:
    head = dumps({MARK: FORMAT, "recording": recording.id, "whole": whole, "lines": lines, "checksum": checksum})
    return head + b" " * (len(str(_LINES)) - len(str(lines))) + b"\n"


def _lines(recording: Recording, chosen: Selection) -> Iterator[tuple[str, Row]]:
    whole = chosen.whole
    there = {str(name) for (name,) in recording.db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table in TABLES:
        if table in there and (whole or table in _PARTS) and (table != "effect" or chosen.effects):
            where = f" WHERE {_PARTS[table]}" if not whole else _OF_THE_FILE if table == "info" else ""
            found = rows(recording.db, f"SELECT * FROM {table}{where} ORDER BY {_ORDER.get(table, 'id')}")
            yield from ((table, row) for row in (found if whole or table != "blob" else _with_parts(recording, found)))


def _with_parts(recording: Recording, results: Iterable[Row]) -> Iterator[Row]:
    """Results, each preceded by the large contents in it that were not told yet."""
    told: set[str] = set()
    for row in results:
        parts: list[str] = []
        if blobs.MARK in row["data"]:
            blobs.join(loads(row["data"]), _noted(parts))
        for digest in dict.fromkeys(parts):
            if digest not in told:
                told.add(digest)
                yield from rows(recording.db, "SELECT * FROM blob WHERE hash = ?", digest)
        if row["hash"] not in told:
            yield row


def _noted(found: list[str]) -> Callable[[str], str]:
    def note(digest: str) -> str:
        found.append(digest)
        return ""

    return note


def read_cassette(path: Path, recording: Recording) -> JsonObject:
    """Fill an empty recording from a cassette, every row with its id.

    Returns:
        The cassette's first line.

    Raises:
        UsageError: not a cassette, one of a newer Firefly, cut off, or changed after it was written.
    """
    try:
        with open_packed(path) as file:
            head = _read_header(path, file.readline())
            if head["whole"]:
                recording.db.execute("UPDATE info SET value = ? WHERE key = 'recording_id'", (head["recording"],))
            columns = {table: _columns(recording, table) for table in TABLES}
            digest = hashlib.blake2b(digest_size=16)
            count = 0
            for number, line in enumerate(file, 2):
                digest.update(line)
                if count % BATCH == 0:
                    _commit(recording)
                    recording.db.execute("BEGIN IMMEDIATE")
                _insert(recording, f"{path}:{number}", line, columns)
                count += 1
            _commit(recording)
    except (EOFError, zlib.error) as error:
        raise UsageError(f"{path}: cut off or damaged ({error}); nothing was imported") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({'is a folder' if path.is_dir() else error.strerror or error})") from error
    if count < head["lines"]:
        raise UsageError(f"{path}: cut off: it has {count} of {head['lines']} lines; nothing was imported")
    if f"blake2b:{digest.hexdigest()}" != head["checksum"]:
        raise UsageError(f"{path}: was changed after it was written: its checksum is another; nothing was imported")
    return head


def _commit(recording: Recording) -> None:
    if recording.db.in_transaction:
        recording.db.execute("COMMIT")


def _read_header(path: Path, line: bytes) -> JsonObject:
    try:
        head = loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or not isinstance(head.get(MARK), int):
        raise UsageError(f"{path}: not a cassette of Firefly: its first line does not say {MARK!r}")
    if head[MARK] > FORMAT:
        raise UsageError(f"{path}: cassette format {head[MARK]} is newer than {FORMAT}: upgrade firefly-mcp")
    if not (isinstance(head.get("lines"), int) and isinstance(head.get("checksum"), str) and "whole" in head):
        raise UsageError(f"{path}:1: the first line lacks lines, checksum or whole")
    return head


def _columns(recording: Recording, table: str) -> frozenset[str]:
    return frozenset(str(row[1]) for row in recording.db.execute(f"PRAGMA table_info({table})"))


def _insert(recording: Recording, place: str, line: bytes, columns: dict[str, frozenset[str]]) -> None:
    try:
        ((table, told),) = loads(line).items()
        row = decode(table, told)
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UsageError(f"{place}: not a line of a cassette ({error}); nothing was imported") from None
    unknown = row.keys() - columns.get(table, frozenset())
    if unknown:
        raise UsageError(f"{place}: {table} {', '.join(sorted(unknown))}: not known here: upgrade firefly-mcp")
    marks = ", ".join("?" * len(row))
    recording.db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
