"""Lines of an input: all that have come at once, none that is too long, and the last one without a line break."""

from __future__ import annotations

import asyncio

from firefly_proxies.stdio_lines import Lines


async def lines_of(*chunks: bytes, limit: int = 10) -> list[list[bytes | None]]:
    reader = asyncio.StreamReader()
    lines = Lines(reader, limit)
    found = []
    for chunk in chunks:
        reader.feed_data(chunk)
        if b"\n" in chunk:
            found.append(await lines.next())
    reader.feed_eof()
    while arrived := await lines.next():
        found.append(arrived)
    return found


async def test_all_lines_that_have_come_are_given_at_once_without_blank_ones() -> None:
    assert await lines_of(b"one\n\n  \ntwo\nth", b"ree\n") == [[b"one", b"two"], [b"three"]]


async def test_the_last_line_needs_no_line_break() -> None:
    assert await lines_of(b"one\ntw", b"o") == [[b"one"], [b"two"]]


async def test_a_line_that_is_too_long_is_told_once_and_the_next_one_is_whole() -> None:
    assert await lines_of(b"12345678901\nok\n") == [[None, b"ok"]]
    assert await lines_of(b"123456", b"78901234567890", b"1234\nnext\n") == [[None, b"next"]]
    assert await lines_of(b"1234567890\n") == [[b"1234567890"]]
