"""Files that may be compressed: a name that ends in ``.gz`` is written so; what is compressed is read whatever its name."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import IO, cast

_MAGIC = b"\x1f\x8b"
_LEVEL = 9


def open_packed(path: Path) -> IO[bytes]:
    """Open for reading; what comes out is never compressed.

    Raises:
        OSError: it cannot be read. A damaged file says so while it is read (:class:`EOFError`, :class:`gzip.BadGzipFile`).
    """
    file = path.open("rb")
    packed = file.read(2) == _MAGIC
    file.seek(0)
    if not packed:
        return file
    file.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def pack(path: Path) -> None:
    """Compress a file in place. The same bytes give the same file: no name and no time goes into it."""
    part = path.with_name(path.name + ".gz")
    try:
        with path.open("rb") as plain, part.open("wb") as out, gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as file:
            shutil.copyfileobj(plain, file, 1 << 20)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
