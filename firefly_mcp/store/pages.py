"""A recording's files as bytes: the database, its write-ahead log and whatever else SQLite has left beside them.

A long value lies on a chain of overflow pages (SQLite's file format, section 1.6): the page number of the next one stands where
the part before it ends, or in the first four bytes of the page. A text is also found where it is cut by such a chain, on pages
that are in use and on those that are free.
"""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

SUFFIXES = ("", "-wal", "-journal", "-shm")
_LONGEST = 1024
"""A longer text is looked for by its beginning."""
_WAL_HEADER, _FRAME_HEADER = 32, 24
_POINTER = 4


def remove(recording: Path) -> None:
    """Remove a recording and what SQLite keeps beside it, as far as it is there."""
    for suffix in SUFFIXES:
        recording.with_name(recording.name + suffix).unlink(missing_ok=True)


class Place(NamedTuple):
    """Where a text begins: the file's suffix after the recording's name, and the offset in bytes."""

    suffix: str
    offset: int


class _Page(NamedTuple):
    number: int
    suffix: str
    start: int


class Pages:
    """The bytes of a recording. Use as a context manager; what is found is as old as its opening."""

    def __init__(self, path: Path) -> None:
        """Map the files that are there; nothing is locked and nothing is altered.

        Raises:
            OSError: the recording cannot be read.
        """
        self._open = ExitStack()
        self._files: dict[str, mmap.mmap] = {}
        for suffix in SUFFIXES:
            file = path.with_name(path.name + suffix)
            if (not suffix or file.exists()) and file.stat().st_size:
                with file.open("rb") as opened:
                    self._files[suffix] = self._open.enter_context(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        self.size = sum(len(data) for data in self._files.values())
        head = self._files[""][16:18] if "" in self._files else b""
        told = int.from_bytes(head, "big")
        self._page = 65536 if told == 1 else told
        self._pages = list(self._all_pages()) if self._page >= 512 else []
        self._versions: dict[int, list[_Page]] = defaultdict(list)
        self._heads: dict[bytes, list[_Page]] = defaultdict(list)
        for page in self._pages:
            self._versions[page.number].append(page)
            self._heads[self._bytes(page, _POINTER, 4)].append(page)

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def find(self, text: bytes) -> list[Place]:
        """Every place where ``text`` stands, whole or cut by a chain of pages (then: where its second part begins)."""
        text = text[:_LONGEST]
        found = []
        for suffix, data in self._files.items():
            at = data.find(text)
            while at >= 0:
                found.append(Place(suffix, at))
                at = data.find(text, at + 1)
        return found + list(dict.fromkeys(self._cut(text)))

    def _all_pages(self) -> Iterator[_Page]:
        for start in range(0, len(self._files[""]) - self._page + 1, self._page):
            yield _Page(start // self._page + 1, "", start)
        log = self._files.get("-wal", b"")
        for start in range(_WAL_HEADER, len(log) - _FRAME_HEADER - self._page + 1, _FRAME_HEADER + self._page):
            yield _Page(int.from_bytes(log[start : start + 4], "big"), "-wal", start + _FRAME_HEADER)

    def _bytes(self, page: _Page, offset: int, length: int) -> bytes:
        start = page.start + offset
        return self._files[page.suffix][start : min(start + length, page.start + self._page)]

    def _cut(self, text: bytes) -> Iterator[Place]:
        for at in range(1, len(text) - 3):
            for page in self._heads.get(text[at : at + 4], ()):
                if self._continues(page, text[at:]) and self._leads_to(page.number, text[:at]):
                    yield Place(page.suffix, page.start + _POINTER)
        if len(text) > 4:
            yield from self._cut_near_the_end(text)

    def _cut_near_the_end(self, text: bytes) -> Iterator[Place]:
        """Cuts that leave one to three bytes for the next page: too few to look for them there."""
        for suffix, data in self._files.items():
            begin = data.find(text[:-3])
            while begin >= 0:
                for rest in (3, 2, 1):
                    end = begin + len(text) - rest
                    if data[begin:end] == text[:-rest]:
                        for page in self._next(suffix, end):
                            if self._continues(page, text[-rest:]):
                                yield Place(page.suffix, page.start + _POINTER)
                begin = data.find(text[:-3], begin + 1)

    def _next(self, suffix: str, end: int) -> Iterator[_Page]:
        """The pages that may go on where a part ends: named right behind it, or, at a page's end, at the page's head."""
        data = self._files[suffix]
        yield from self._versions.get(int.from_bytes(data[end : end + _POINTER], "big"), ())
        start = end - self._page
        if any(page.start == start and page.suffix == suffix for page in self._pages):
            yield from self._versions.get(int.from_bytes(data[start : start + _POINTER], "big"), ())

    def _continues(self, page: _Page, rest: bytes) -> bool:
        """Whether an overflow page holds ``rest``, and the pages after it what does not fit."""
        here = self._bytes(page, _POINTER, self._page)
        if len(rest) <= len(here):
            return here.startswith(rest)
        after = self._versions.get(int.from_bytes(self._bytes(page, 0, _POINTER), "big"), ())
        return rest.startswith(here) and any(self._continues(other, rest[len(here) :]) for other in after)

    def _leads_to(self, number: int, part: bytes) -> bool:
        """Whether ``part`` stands before the number of this page, or at the end of a page that names it first."""
        pointer = number.to_bytes(_POINTER, "big")
        if any(data.find(part + pointer) >= 0 for data in self._files.values()):
            return True
        return any(
            self._bytes(page, 0, _POINTER) == pointer and self._bytes(page, _POINTER, self._page).endswith(part)
            for page in self._pages
        )
