"""Numbered migrations: a recording from any older version opens and is brought up to date in one transaction each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import apsw

from firefly_mcp.errors import StoreError
from firefly_mcp.store.schema import APPLICATION_ID, V1, V2


def _v1(db: apsw.Connection) -> None:
    db.execute(V1)
    db.execute("INSERT INTO info VALUES ('recording_id', ?)", (uuid.uuid4().hex,))


def _v2(db: apsw.Connection) -> None:
    db.execute(V2)


MIGRATIONS: tuple[Callable[[apsw.Connection], None], ...] = (_v1, _v2)
"""Migration ``n`` (from 1) brings a recording from version ``n - 1`` to ``n``. Append; never edit."""


def migrate(db: apsw.Connection, path: str) -> None:
    """Bring the open database to the newest version.

    Raises:
        StoreError: the recording was written by a newer Firefly.
    """
    version = _version(db)
    if version > len(MIGRATIONS):
        newest = len(MIGRATIONS)
        raise StoreError(
            f"{path}: written by a newer Firefly (format {version}, this one reads up to {newest}): upgrade firefly-mcp"
        )
    if version == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated between the look and the lock.
        for number, step in enumerate(MIGRATIONS[_version(db) :], start=_version(db) + 1):
            if number == 1:
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, applied_at REAL NOT NULL)")
            step(db)
            db.execute("INSERT INTO migration VALUES (?, ?)", (number, time.time()))
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def require_newest(db: apsw.Connection, path: str) -> None:
    """Refuse a database that :func:`migrate` would change, or refuse.

    Raises:
        StoreError: it is of another format than the newest.
    """
    version = _version(db)
    if version != len(MIGRATIONS):
        raise StoreError(
            f"{path}: of format {version}, and cannot be written; this Firefly reads format {len(MIGRATIONS)}: copy the file to"
            " where it can be brought up to date"
        )


def _version(db: apsw.Connection) -> int:
    return int(db.pragma("user_version"))
