"""The lines of an input as they arrive: all that are complete at once, so that their answers can go out at once too."""

from __future__ import annotations

import asyncio

_CHUNK = 64 * 1024


class Lines:
    """Splits a stream into lines."""

    def __init__(self, reader: asyncio.StreamReader, limit: int) -> None:
        """Lines of more than ``limit`` bytes are passed over."""
        self._reader = reader
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False

    async def next(self) -> list[bytes | None]:
        """The lines that have come, at least one, without blank ones; None stands for one that was too long.

        An empty list is the end of the input.
        """
        while True:
            try:
                data = await self._reader.read(_CHUNK)
            except (ConnectionError, OSError):
                data = b""
            lines = self._split(data) if data else self._last()
            if lines or not data:
                return lines

    def _split(self, data: bytes) -> list[bytes | None]:
        lines: list[bytes | None] = []
        *complete, rest = data.split(b"\n")
        for part in complete:
            self._add(part, lines)
            if not self._skipping:
                line = b"".join(self._parts) if len(self._parts) > 1 else part
                if line.strip():
                    lines.append(line)
            self._parts, self._size, self._skipping = [], 0, False
        if rest:
            self._add(rest, lines)
        return lines

    def _add(self, part: bytes, lines: list[bytes | None]) -> None:
        if self._skipping:
            return
        self._size += len(part)
        if self._size > self._limit:
            self._skipping = True
            self._parts = []
            lines.append(None)
        else:
            self._parts.append(part)

    def _last(self) -> list[bytes | None]:
        """What stands after the last line break."""
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return [line] if line.strip() else []
