"""Many small reads of one recording: a connection of its own that keeps its snapshot from one read to the next.

Each read of SQLite's takes and gives back a lock and asks the operating system for pages, which costs more than the read
itself. A reader does that once for all reads until :meth:`Reader.release`, and maps the file into memory. A snapshot that is
kept holds up the folding of the write-ahead log, so whoever reads must let go of it when there is nothing to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from firefly_mcp.store.transaction import StoreErrors

_MAPPED = 1 << 30
"""Bytes of the file that are mapped at most."""


class Reader:
    """Reads from one recording."""

    def __init__(self, path: Path, uri: str, *, alone: apsw.Connection | None = None) -> None:
        """Open the file, which must be a recording that is open already, at ``uri``.

        ``alone`` is the connection that has the file for itself and lets no other in: reads then go over it, and see at once
        what it writes.
        """
        self.path = path
        self._own = alone is None
        with StoreErrors(path):
            if alone is None:
                self._db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
                self._db.set_busy_timeout(10_000)
                self._db.pragma("mmap_size", _MAPPED)
            else:
                self._db = alone
        self._cursor = self._db.cursor()
        self._reading = False
        self._taken = 0

    def snapshot(self) -> int:
        """The number of the snapshot that is held; one is taken if none is. What is committed later is not seen in it."""
        if not self._own:
            self._taken += 1
        elif not self._reading:
            with StoreErrors(self.path):
                self._db.execute("BEGIN")
            self._reading = True
            self._taken += 1
        return self._taken

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """The rows of a query."""
        if self._own and not self._reading:
            self.snapshot()
        try:
            return self._cursor.execute(sql, values).fetchall()
        except apsw.Error:
            with StoreErrors(self.path):
                raise

    def release(self) -> None:
        """Let go of the snapshot."""
        if self._reading:
            self._reading = False
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the connection, if it is one of its own."""
        if self._own:
            self._db.close()
