"""Event streams: what is encoded is decoded, however it is cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import loads
from firefly_proxies.sse import KEEP_ALIVE, Decoder, Event, encode

VALUES = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=8), max_size=3)


@settings(max_examples=60)
@given(st.lists(VALUES, max_size=3), st.integers(1, 20))
def test_messages_survive_any_cutting(messages: list[dict[str, Any]], size: int) -> None:
    stream = b"".join(encode(message) + KEEP_ALIVE for message in messages)
    decoder = Decoder(limit=10**6)
    events = [event for start in range(0, len(stream), size) for event in decoder.feed(stream[start : start + size])]
    assert [loads(event.data) for event in events] == messages


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_line_ends_and_fields_are_understood(end: bytes) -> None:
    lines = [
        b": comment",
        b"event: endpoint",
        b"id: 7",
        b"retry: 250",
        b"data: one",
        b"data:two",
        b"odd",
        b"",
        b"id: 8",
        b"",
        b"",
    ]
    events = Decoder(limit=1000).feed(end.join(lines) + b"x")
    assert events[0] == Event("one\ntwo", "endpoint", "7", 250)
    assert events[1] == Event("", "message", "8", None)


def test_an_event_that_is_too_large_is_refused() -> None:
    decoder = Decoder(limit=100)
    assert decoder.feed(b"data: " + b"x" * 80 + b"\n") == []
    with pytest.raises(ServerError, match="larger than 100 bytes"):
        decoder.feed(b"data: " + b"x" * 20)
