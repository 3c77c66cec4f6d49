"""Open a recording's SQLite file safely: refuse what is not ours or is damaged, and alter nothing in refusing."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import apsw

from firefly_mcp.errors import StoreError
from firefly_mcp.store.migrations import migrate, require_newest
from firefly_mcp.store.schema import APPLICATION_ID
from firefly_mcp.store.transaction import StoreErrors

_SQLITE_MAGIC = b"SQLite format 3\x00"
_CHECKPOINT_PAGES = 4000
"""Pages (of 4 KiB) in the write-ahead log before they are folded into the file. Hashes scatter the pages of a large recording:
SQLite's 1,000 would fold, and wait for the disk, every 200 calls."""
_BUSY_MS = 10_000
"""How long to wait for another process that writes."""
_CHECK_UP_TO = 32 * 1024 * 1024
"""Files up to this size are checked in full when opened; a larger one shows damage when the page is read."""


def open_database(path: Path, *, create: bool, durability: str = "normal", exclusive: bool = False) -> apsw.Connection:
    """Open (and with ``create`` make) the recording at ``path``, in WAL mode, migrated to the newest format.

    Args:
        path: the file.
        create: make the file when it is missing.
        durability: ``normal`` survives a killed process, ``full`` also a power loss.
        exclusive: be the only one that has it open, until it is closed.

    Raises:
        StoreError: missing, foreign, damaged or unwritable; or, for ``exclusive``, open elsewhere.
    """
    exists = path.exists() and path.stat().st_size > 0
    if not exists and not create:
        raise StoreError(f"{path}: no such recording; make one with 'firefly record', or name it with --store")
    if exists:
        _refuse_foreign(path)
    elif not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist")
    with StoreErrors(path):
        db = apsw.Connection(str(path))
        try:
            db.set_busy_timeout(_BUSY_MS)
            if exclusive:
                _lock(db, path)
            _write_ahead(db)
            db.pragma("synchronous", "full" if durability == "full" else "normal")
            db.pragma("foreign_keys", "on")
            db.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
            migrate(db, str(path))
        except BaseException:
            db.close()
            raise
    return db


def open_readonly(path: Path) -> apsw.Connection:
    """Open a recording that cannot be written: on a medium, or in a folder, that is not ours to change.

    Raises:
        StoreError: missing, foreign or damaged; or it has to be brought to the newest format first.
    """
    if not path.exists():
        raise StoreError(f"{path}: no such recording; make one with 'firefly record', or name it with --store")
    _refuse_foreign(path)
    with StoreErrors(path):
        db = apsw.Connection(readonly_uri(path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            db.set_busy_timeout(_BUSY_MS)
            require_newest(db, str(path))
        except BaseException:
            db.close()
            raise
    return db


def readonly_uri(path: Path) -> str:
    """How to open a file only to read it. Without a log beside it nobody writes, and no side file is made for the look."""
    alone = not path.with_name(path.name + "-wal").exists()
    return f"file:{quote(str(path.absolute()))}{'?immutable=1' if alone else ''}"


def _write_ahead(db: apsw.Connection) -> None:
    """Switch to the write-ahead log, and wait where another process is just doing so.

    SQLite does not call its busy handler here: of two that switch a new file at once one fails at once.
    """
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            db.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def _lock(db: apsw.Connection, path: Path) -> None:
    """Take SQLite's exclusive lock while the connection lives; in WAL mode even an idle connection stands in its way."""
    db.set_busy_timeout(1_000)
    try:
        db.pragma("locking_mode", "exclusive")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("ROLLBACK")
    except apsw.BusyError as error:
        raise StoreError(
            f"{path}: another process has it open; stop what records, replays or looks into it, and try again"
        ) from error


def _refuse_foreign(path: Path) -> None:
    """Look at the file without the right to change it: even closing a writer could fold a foreign log into its file."""
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, not a recording")
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
    if head != _SQLITE_MAGIC:
        raise StoreError(f"{path}: not a Firefly recording (not an SQLite file); it was left as it is")
    with StoreErrors(path):
        before = _stamp(path)
        try:
            _look(path, alone=before is not None)
        except (StoreError, apsw.Error):
            if before == _stamp(path):
                raise
            _look(path, alone=False)  # another process wrote meanwhile: look again, under SQLite's locks


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file that nobody is writing; None once there is a write-ahead log."""
    if path.with_name(path.name + "-wal").exists():
        return None
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _look(path: Path, *, alone: bool) -> None:
    """Refuse a file that is foreign or damaged. Alone with the file, no lock and no side file is needed, and none is left."""
    uri = f"file:{quote(str(path.absolute()))}{'?immutable=1' if alone else ''}"
    db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        db.set_busy_timeout(_BUSY_MS)
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
        # An empty file without our mark is one that another process is making at this moment.
        if int(db.pragma("application_id")) != APPLICATION_ID and tables:
            raise StoreError(f"{path}: an SQLite file, but not a Firefly recording; it was left as it is")
        if path.stat().st_size <= _CHECK_UP_TO:
            found = str(db.pragma("quick_check", 1))
            if found != "ok":
                why = found.splitlines()[-1]
                raise StoreError(f"{path}: the recording is damaged ({why}); restore it from a copy, nothing was altered")
    finally:
        db.close()
