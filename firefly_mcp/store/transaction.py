"""Atomic writes, and SQLite's errors in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import apsw

from firefly_mcp.errors import StoreError


class StoreErrors:
    """A context in which SQLite's errors become :class:`~firefly_mcp.errors.StoreError`, each naming the file and what to do.

    A class, and so is :class:`Transaction`: generators would cost a recorded call several
    microseconds in all.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        """Name ``path`` in the errors."""
        self.path = path

    def __enter__(self) -> None:
        """Nothing happens yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Translate."""
        if isinstance(error, apsw.Error) and (told := _told(self.path, error)) is not None:
            raise told from error


class Transaction(StoreErrors):
    """One atomic write of a recording: kept as a whole when the block ends, undone when it raises."""

    __slots__ = ("_db",)

    def __init__(self, path: Path, db: apsw.Connection) -> None:
        """Use :meth:`firefly_mcp.store.recording.Recording.transaction`."""
        super().__init__(path)
        self._db = db

    def __enter__(self) -> apsw.Connection:  # type: ignore[override]
        """Begin to write.

        Raises:
            StoreError: another process has the lock for too long, or the file cannot be written.
        """
        self._do("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Commit or undo.

        Raises:
            StoreError: SQLite's error, if it was one that ended the block, or that of the commit.
        """
        if error is None:
            self._do("COMMIT")
            return
        self._undo()
        super().__exit__(kind, error, trace)

    def _do(self, statement: str) -> None:
        try:
            self._db.execute(statement)
        except apsw.Error as trouble:
            self._undo()
            super().__exit__(type(trouble), trouble, trouble.__traceback__)
            raise

    def _undo(self) -> None:
        # After a full disk SQLite has rolled back by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _told(path: Path, error: apsw.Error) -> StoreError | None:
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return StoreError(f"{path}: the recording is damaged ({error}); restore it from a copy, nothing was altered")
    if isinstance(error, apsw.FullError):
        return StoreError(f"{path}: the disk is full; free some space, nothing already recorded is lost")
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)):
        return StoreError(f"{path}: cannot be written ({error}); check its permissions")
    if isinstance(error, apsw.CantOpenError):
        return StoreError(f"{path}: cannot be opened ({error}); check the path and its permissions")
    if isinstance(error, apsw.IOError):
        return StoreError(f"{path}: reading or writing failed ({error}); check the disk")
    if isinstance(error, apsw.BusyError):
        return StoreError(f"{path}: locked by another process for too long; close it and try again")
    return None
