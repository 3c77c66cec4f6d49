"""An upstream over the HTTP+SSE transport of 2024-11-05, which some servers still speak: one stream in, POSTs out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies import sse
from firefly_proxies.messages import (
    REQUEST_CANCELLED,
    RequestId,
    error,
    is_own_id,
    is_response,
    meta_of,
    notification,
    params_of,
)
from firefly_proxies.upstream import MESSAGE_LIMIT, START_SECONDS, Listener
from firefly_proxies.upstream_http import HttpPool


class SseUpstream:
    """A session with a server whose every message comes on one event stream, which is opened with the first request."""

    def __init__(
        self,
        name: str,
        url: str,
        headers: Mapping[str, str],
        listener: Listener,
        pool: HttpPool,
        *,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Speak to the server at ``url``; arguments as for :class:`~firefly_proxies.upstream_http.HttpUpstream`."""
        self._name = name
        self._url = url
        self._headers = dict(headers)
        self._listener = listener
        self._http = pool.session(url)
        self._start_seconds = start_seconds
        self._shown = urlsplit(url)._replace(query="", fragment="").geturl()
        self._endpoint: asyncio.Future[str] | None = None
        self._stream: asyncio.Task[None] | None = None
        self._pending: dict[RequestId, tuple[asyncio.Future[JsonObject], object]] = {}

    async def request(self, message: JsonObject) -> JsonObject:
        """Ask; see :class:`~firefly_proxies.upstream.Upstream`."""
        request_id = message["id"]
        future: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = (future, meta_of(message).get("progressToken"))
        try:
            await self._post(message)
            return await future
        except asyncio.CancelledError:
            if self._endpoint is not None and self._endpoint.done():
                told = {"requestId": request_id, "reason": "the client is gone"}
                await asyncio.shield(self._post(notification("notifications/cancelled", told)))
            raise
        finally:
            self._pending.pop(request_id, None)

    async def notify(self, message: JsonObject) -> None:
        """Pass on; see :class:`~firefly_proxies.upstream.Upstream`."""
        await self._post(message)
        if message.get("method") == "notifications/cancelled":
            wanted = params_of(message).get("requestId")
            pending = self._pending.get(wanted) if isinstance(wanted, (int, str)) else None
            if pending is not None and not pending[0].done():
                pending[0].set_result(error(wanted, REQUEST_CANCELLED, "Request cancelled"))

    @property
    def ended(self) -> bool:
        """Whether the stream is closed."""
        return self._stream is not None and self._stream.done()

    async def close(self) -> None:
        """Close the stream, which ends the session."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)

    async def _post(self, message: JsonObject) -> None:
        if self._endpoint is None:
            self._endpoint = asyncio.get_running_loop().create_future()
            self._stream = asyncio.get_running_loop().create_task(self._listen(self._endpoint))
        try:
            async with asyncio.timeout(self._start_seconds):
                endpoint = await asyncio.shield(self._endpoint)
        except TimeoutError:
            raise ServerError(f"server {self._name!r} at {self._shown} named no endpoint to post to") from None
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            async with self._http.post(endpoint, data=dumps(message), headers=headers) as reply:
                if reply.status >= 400:
                    raise ServerError(f"server {self._name!r} at {self._shown} answered {reply.status}")
        except (aiohttp.ClientError, OSError) as trouble:
            raise ServerError(f"server {self._name!r} cannot be reached at {self._shown}: {trouble}") from trouble

    async def _listen(self, endpoint: asyncio.Future[str]) -> None:
        failure = ServerError(f"server {self._name!r} at {self._shown} closed the connection")
        try:
            async with self._http.get(self._url, headers={**self._headers, "Accept": "text/event-stream"}) as reply:
                if reply.status != 200 or reply.content_type != "text/event-stream":
                    raise ServerError(f"server {self._name!r} at {self._shown} answered {reply.status}, not an event stream")
                decoder = sse.Decoder(limit=MESSAGE_LIMIT)
                async for chunk in reply.content.iter_any():
                    for event in decoder.feed(chunk):
                        if event.event == "endpoint":
                            self._found(endpoint, event.data)
                        elif event.event == "message":
                            await self._take(loads(event.data))
        except ServerError as trouble:
            failure = trouble
        except (aiohttp.ClientError, OSError, ValueError) as trouble:
            failure = ServerError(f"server {self._name!r} cannot be reached at {self._shown}: {trouble}")
        if not endpoint.done():
            endpoint.set_exception(failure)
        for future, _ in self._pending.values():
            if not future.done():
                future.set_exception(failure)

    def _found(self, endpoint: asyncio.Future[str], told: str) -> None:
        target = urljoin(self._url, told)
        here, there = urlsplit(self._url), urlsplit(target)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise ServerError(f"server {self._name!r} at {self._shown} wants messages posted to another host, {there.netloc}")
        if not endpoint.done():
            endpoint.set_result(target)

    async def _take(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        if is_response(message):
            pending = self._pending.get(message["id"])
            if pending is not None and not pending[0].done():
                pending[0].set_result(message)
            return
        token = params_of(message).get("progressToken")
        ids = [key for key in self._pending if not is_own_id(key)]
        if token is not None:
            related = next((key for key, (_, own) in self._pending.items() if own == token), None)
        else:
            related = ids[0] if len(ids) == 1 else None
        await self._listener(message, related)
