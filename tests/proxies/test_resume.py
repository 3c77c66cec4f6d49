"""Streams that a client has lost are taken up again, with nothing missing and nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from firefly_mcp.jsonio import JsonObject
from firefly_proxies import journal as journals
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.journal import Journal, Journals
from firefly_proxies.messages import RequestId, notification, request, response
from firefly_proxies.serve import running_http
from firefly_proxies.sse import Decoder, Event

ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


class Teller:
    """Says two things, each when it is told to, and then answers; says one thing to nobody in particular."""

    def __init__(self) -> None:
        self.steps = [asyncio.Event() for _ in range(3)]
        self.emit: Emit

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        self.emit = emit
        return self

    async def request(self, message: JsonObject) -> JsonObject:
        if message["method"] == "initialize":
            return response(message["id"], {})
        for number, step in enumerate(self.steps):
            await step.wait()
            if number < 2:
                await self.emit(said(number), message["id"])
        return response(message["id"], {"told": 2})

    async def notify(self, message: JsonObject) -> None:
        return

    async def close(self) -> None:
        return


def said(number: int) -> JsonObject:
    return notification("notifications/message", {"level": "info", "data": number})


class Reader:
    """Reads a stream event by event."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.reply = reply
        self._decoder = Decoder(limit=10**6)
        self._events: list[Event] = []

    async def event(self) -> Event | None:
        while not self._events:
            async with asyncio.timeout(10):
                chunk = await self.reply.content.readany()
            if not chunk:
                return None
            self._events += self._decoder.feed(chunk)
        return self._events.pop(0)

    async def rest(self) -> list[Any]:
        """The messages up to the end of the stream."""
        found = []
        while (event := await self.event()) is not None:
            if event.data:
                found.append(json.loads(event.data))
        return found


class Client:
    def __init__(self, http: aiohttp.ClientSession, url: str, session: dict[str, str]) -> None:
        self.http, self.url = http, url
        self.headers = {**ACCEPT, **session}

    @asynccontextmanager
    async def asking(self, request_id: RequestId = 1, version: str = "2025-11-25") -> AsyncIterator[Reader]:
        headers = {**self.headers, "Mcp-Protocol-Version": version}
        async with self.http.post(self.url, json=request(request_id, "tell"), headers=headers) as reply:
            yield Reader(reply)
            reply.close()  # cut: the connection, not only the reading

    @asynccontextmanager
    async def reading(self, last_event: str | None = None) -> AsyncIterator[Reader]:
        again = {} if last_event is None else {"Last-Event-ID": last_event}
        async with self.http.get(self.url, headers={**self.headers, **again}) as reply:
            assert reply.content_type == "text/event-stream"
            yield Reader(reply)
            reply.close()


@asynccontextmanager
async def telling() -> AsyncIterator[tuple[Teller, Client]]:
    teller = Teller()

    class House:
        async def open(self, opening: Opening, emit: Emit) -> Conversation:
            return await teller.open(opening, emit)

        async def close(self) -> None:
            return

    async with running_http(House()) as url, aiohttp.ClientSession() as http:
        async with http.post(url, json=request(0, "initialize"), headers=ACCEPT) as reply:
            session = {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"]}
        yield teller, Client(http, url, session)


async def test_a_stream_that_is_lost_in_a_call_is_taken_up_again_and_ends_with_the_answer() -> None:
    async with telling() as (teller, client):
        teller.steps[0].set()
        async with client.asking() as reader:
            primer, first = await reader.event(), await reader.event()
            assert primer is not None
            assert (primer.data, primer.retry_ms) == ("", journals.RETRY_MS)
            assert first is not None
            assert json.loads(first.data) == said(0)
        for step in teller.steps[1:]:
            step.set()
        async with client.reading(first.id) as reader:
            assert await reader.rest() == [said(1), response(1, {"told": 2})]


async def test_what_was_sent_but_did_not_arrive_is_sent_again() -> None:
    async with telling() as (teller, client):
        for step in teller.steps[:2]:
            step.set()
        async with client.asking() as reader:
            primer = await reader.event()
            assert [(await reader.event()) is not None for _ in range(2)] == [True, True]
        async with client.reading(primer.id if primer else None) as reader:
            teller.steps[2].set()
            assert await reader.rest() == [said(0), said(1), response(1, {"told": 2})]


async def test_a_stream_may_be_taken_up_while_its_old_connection_still_looks_alive() -> None:
    async with telling() as (teller, client):
        teller.steps[0].set()
        async with client.asking() as old:
            await old.event()
            first = await old.event()
            assert first is not None
            async with client.reading(first.id) as new:
                teller.steps[1].set()
                event = await new.event()
                assert event is not None
                assert json.loads(event.data) == said(1)
                teller.steps[2].set()
                assert await new.rest() == [response(1, {"told": 2})]
            assert await old.rest() == []


async def test_the_stream_for_what_nobody_asked_for_is_taken_up_again_too() -> None:
    async with telling() as (teller, client):
        async with client.reading() as reader:
            await teller.emit(said(1), None)
            first = await reader.event()
            assert first is not None
        await teller.emit(said(2), None)
        async with client.reading(first.id) as reader:
            event = await reader.event()
            assert event is not None
            assert json.loads(event.data) == said(2)


async def test_an_event_that_is_not_known_begins_a_new_stream() -> None:
    async with telling() as (teller, client):
        await teller.emit(said(1), None)
        for unknown in ("nonsense", "a-1", "-", "x-²"):
            async with client.reading(unknown.encode().decode("latin-1")) as reader:
                await teller.emit(said(2), None)
                assert await reader.event() is not None


async def test_older_clients_get_no_event_without_a_message() -> None:
    async with telling() as (teller, client):
        for step in teller.steps:
            step.set()
        async with client.asking(version="2025-06-18") as reader:
            event = await reader.event()
            assert event is not None
            assert json.loads(event.data) == said(0)


async def test_streams_of_the_stateless_era_have_no_ids() -> None:
    async with telling() as (teller, client):
        for step in teller.steps:
            step.set()
        headers = {**ACCEPT, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tell"}
        message = request(1, "tell", {"_meta": ENVELOPE})
        async with client.http.post(client.url, json=message, headers=headers) as reply:
            reader = Reader(reply)
            event = await reader.event()
            assert event is not None
            assert event.id is None


def test_a_journal_keeps_what_is_not_sent_up_to_a_limit_and_a_little_of_what_is() -> None:
    journal = Journal("s")
    for number in range(journals.UNSENT + 10):
        journal.add(said(number))
    taken = list(iter(journal.take, None))
    assert len(taken) == journals.UNSENT
    assert b'"data":10}' in taken[0]
    again = journal.sent_after(0)
    assert again == taken[-journals.SENT :]
    assert journal.sent_after(journals.UNSENT + 9) == again[-1:]
    journal.add(said(0) | {"big": "x" * journals.SENT_BYTES})
    assert journal.take() is not None
    assert journal.sent_after(0) == []


def test_streams_that_ended_are_kept_up_to_a_limit() -> None:
    kept = Journals()

    def ended(size: int) -> Journal:
        journal = kept.begin()
        journal.add({"big": "x" * size})
        journal.end()
        return journal

    first, *_, last = [ended(1) for _ in range(journals.ENDED + 1)]
    running = kept.begin()
    assert kept.find(f"{first.name}-1") is None
    assert kept.find(f"{last.name}-1") == (last, 1)
    big = ended(journals.SENT_BYTES)
    kept.begin()
    assert kept.find(f"{big.name}-0") == (big, 0)
    assert kept.find(f"{last.name}-1") is None
    assert kept.find(f"{running.name}-1") == (running, 1)
    kept.forget(running)
    assert kept.find(f"{running.name}-1") is None
