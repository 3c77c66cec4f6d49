"""Client sessions over HTTP: which conversation a request belongs to, and how the conversation reaches its client."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import Conversation, ConversationFactory, Opening
from firefly_proxies.event_stream import EventStream
from firefly_proxies.http_streams import Exchange, HeaderList
from firefly_proxies.journal import Journal, Journals
from firefly_proxies.messages import RequestId, is_request, meta_of, notification, own_id

SWEEP_SECONDS = 60.0


class Channel:
    """One conversation, the requests in flight on it, and the streams that its client holds open."""

    def __init__(self, name: str | None) -> None:
        """``name`` is the session's name, or None for a request that is a session of its own."""
        self.name = name
        self.conversation: Conversation
        self.exchanges: dict[RequestId, Exchange] = {}
        self.streams: list[EventStream] = []
        self.journals = Journals()
        self.backlog = self.journals.begin()
        self.asked: set[RequestId] = set()
        self.owners: set[str] = set()
        self.last_used = time.monotonic()
        self._aliases = 0

    def enter(self, message: JsonObject, exchange: Exchange) -> JsonObject:
        """Register a request in flight.

        Several clients may share a conversation and count their ids from one: an id, and a progress token, that is
        already in flight gets an alias.

        Returns:
            The message as the conversation shall see it; its id is the key for :meth:`leave`.
        """
        self.last_used = time.monotonic()
        request_id = exchange.original_id = message["id"]
        if request_id in self.exchanges:
            self._aliases += 1
            request_id = f"{request_id}~{self._aliases}"
            exchange.alias = request_id
            message = {**message, "id": request_id}
            meta = meta_of(message)
            if "progressToken" in meta:
                exchange.original_token = meta["progressToken"]
                message["params"] = {**message["params"], "_meta": {**meta, "progressToken": request_id}}
        self.exchanges[request_id] = exchange
        return message

    def leave(self, request_id: RequestId) -> None:
        """Forget a request."""
        self.exchanges.pop(request_id, None)
        self.last_used = time.monotonic()

    async def emit(self, message: JsonObject, related: RequestId | None) -> None:
        """Send to the client: on the stream of the request that the message belongs to, else on a GET stream.

        A request for a client that holds no GET stream open travels on the newest request in flight, since its answer is
        being waited for; anything else is kept until a stream opens.
        """
        asks = is_request(message)
        if asks:
            self.asked.add(message["id"])
        if related is not None:
            exchange = self.exchanges.get(related)
            if exchange is not None and not (exchange.lost and (asks or self.streams)) and await exchange.push(message):
                return
        if asks and not self.streams:
            for exchange in reversed(list(self.exchanges.values())):
                if not exchange.lost and await exchange.push(message):
                    return
        self.backlog.add(message)

    async def serve_stream(self, stream: EventStream) -> None:
        """Serve a GET stream until it ends; the newest one gets the messages."""
        self.streams.append(stream)
        self.backlog.on_change = stream.wake
        try:
            await stream.run()
        finally:
            self.streams.remove(stream)
            self.backlog.on_change = self.streams[-1].wake if self.streams else None
            self.last_used = time.monotonic()

    async def resume(self, journal: Journal, stream: EventStream) -> None:
        """Serve a GET stream that takes up the stream of a request, to its end."""
        journal.detached = True
        journal.on_change = stream.wake
        try:
            await stream.run()
        finally:
            if journal.on_change == stream.wake:
                journal.on_change = None
        if journal.ended and not stream.left:
            self.journals.forget(journal)

    async def close(self) -> None:
        """End the conversation and its streams."""
        for stream in list(self.streams):
            stream.close()
        await self.conversation.close()


class Session:
    """What an ``Mcp-Session-Id`` stands for: a channel of its own, and any that its requests name."""

    def __init__(self, session_id: str, channel: Channel, initialize: JsonObject, opening: Opening) -> None:
        """Begin a handshake session on a channel that is open."""
        self.id = session_id
        self.channel = channel
        self.initialize = initialize
        self.opening = opening
        self.named: dict[str, Channel] = {}
        self.headers: HeaderList = [(b"mcp-session-id", session_id.encode())]
        channel.owners.add(session_id)

    def channels(self) -> list[Channel]:
        """Its own channel and the named ones."""
        return [self.channel, *self.named.values()]


class Channels:
    """All channels and sessions of one front."""

    def __init__(
        self, factory: ConversationFactory, *, idle_seconds: float = 1800.0, limit: int = 10_000, prefix: str = ""
    ) -> None:
        """Hold the channels of ``factory``'s conversations.

        Args:
            factory: opens the conversations.
            idle_seconds: a session unused for so long is closed.
            limit: the most sessions open at once.
            prefix: what session ids begin with.
        """
        self._prefix = prefix
        self._factory = factory
        self._idle_seconds = idle_seconds
        self._limit = limit
        self.sessions: dict[str, Session] = {}
        self._named: dict[tuple[bool, str], Channel] = {}
        self._opening: dict[tuple[bool, str], asyncio.Lock] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self, opening: Opening) -> Channel:
        """Open a channel.

        Raises:
            FireflyError: from the factory.
        """
        channel = Channel(opening.session_id)
        channel.conversation = await self._factory.open(opening, channel.emit)
        return channel

    async def open_named(self, opening: Opening, *, prepare: Callable[[Channel], Awaitable[None]] | None = None) -> Channel:
        """The channel of a named session, opened when it is not there.

        Args:
            opening: with a ``session_id``.
            prepare: is given a channel just opened, before anyone else uses it.
        """
        assert opening.session_id is not None
        key = (opening.stateless, opening.session_id)
        channel = self._named.get(key)
        if channel is not None:
            return channel
        try:
            async with self._opening.setdefault(key, asyncio.Lock()):
                channel = self._named.get(key)
                if channel is None:
                    self._check_limit()
                    channel = await self.open(opening)
                    if prepare is not None:
                        await prepare(channel)
                    self._named[key] = channel
                    self._start_sweeping()
        finally:
            self._opening.pop(key, None)
        return channel

    async def begin_session(self, opening: Opening, initialize: JsonObject) -> Session:
        """Begin a handshake session; without a name in ``opening`` its own id is its name."""
        self._check_limit()
        session_id = self._prefix + uuid.uuid4().hex
        if opening.session_id is None:
            channel = await self.open(Opening(opening.transport, False, opening.query, opening.headers, session_id))
        else:
            channel = await self.open_named(opening)
        session = Session(session_id, channel, initialize, opening)
        self.sessions[session_id] = session
        self._start_sweeping()
        return session

    def told(self, session_id: str) -> JsonObject | None:
        """What another process must know of a session, to :meth:`adopt` it; None if it is not open here."""
        session = self.sessions.get(session_id)
        if session is None:
            return None
        opening = session.opening
        return {
            "id": session_id,
            "initialize": session.initialize,
            "query": dict(opening.query),
            "headers": dict(opening.headers),
        }

    async def adopt(self, told: JsonObject) -> None:
        """Make a session of another process known here too, for the requests of it that name a session of this one."""
        if told["id"] not in self.sessions:
            opening = Opening("http", False, told["query"], told["headers"])
            channel = await self.open(Opening("http", False, told["query"], told["headers"], told["id"]))
            self.sessions[told["id"]] = Session(told["id"], channel, told["initialize"], opening)
            self._start_sweeping()

    async def channel_named(self, session: Session, name: str) -> Channel:
        """The channel that a request of a handshake session names, introduced with that session's own handshake."""
        channel = session.named.get(name)
        if channel is not None and self._named.get((False, name)) is channel:
            return channel

        async def introduce(opened: Channel) -> None:
            answer = await opened.conversation.request({**session.initialize, "id": own_id(name)})
            if "error" in answer:
                await opened.close()
                raise ServerError(f"session {name!r} could not begin: {answer['error'].get('message')}")
            await opened.conversation.notify(notification("notifications/initialized"))

        opening = Opening("http", False, session.opening.query, session.opening.headers, name)
        channel = await self.open_named(opening, prepare=introduce)
        session.named[name] = channel
        channel.owners.add(session.id)
        return channel

    async def end_session(self, session: Session) -> None:
        """End a handshake session, and every channel that no other session uses."""
        self.sessions.pop(session.id, None)
        for channel in session.channels():
            channel.owners.discard(session.id)
            if not channel.owners:
                await self._drop(channel)

    async def close(self) -> None:
        """End everything."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        channels = {id(channel): channel for session in self.sessions.values() for channel in session.channels()}
        channels.update({id(channel): channel for channel in self._named.values()})
        self.sessions.clear()
        self._named.clear()
        await asyncio.gather(*(channel.close() for channel in channels.values()), return_exceptions=True)
        await self._factory.close()

    async def _drop(self, channel: Channel) -> None:
        for key, other in list(self._named.items()):
            if other is channel:
                del self._named[key]
        await channel.close()

    def _check_limit(self) -> None:
        if len(self.sessions) + len(self._named) >= self._limit:
            raise ServerError(f"too many open sessions ({self._limit}); end some with DELETE")

    def _start_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self._idle_seconds))
            before = time.monotonic() - self._idle_seconds
            for session in list(self.sessions.values()):
                if all(_idle(channel, before) for channel in session.channels()):
                    with contextlib.suppress(Exception):
                        await self.end_session(session)
            for channel in [channel for channel in self._named.values() if _idle(channel, before)]:
                for session in self.sessions.values():
                    if channel.name is not None:
                        session.named.pop(channel.name, None)
                if not any(session.channel is channel for session in self.sessions.values()):
                    with contextlib.suppress(Exception):
                        await self._drop(channel)


def _idle(channel: Channel, before: float) -> bool:
    return not channel.exchanges and not channel.streams and channel.last_used < before
