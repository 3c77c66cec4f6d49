"""One MCP connection to the replay proxy for each worker process, shared by its trajectories.

Opening a session costs several times a call, so trajectories share a connection and each names its own replay session in
``_meta["firefly/session"]``. The proxy keeps a named session for as long as the connection that named it; therefore a
connection takes a limited number of trajectories, and ends when the last of them has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from mcp import Client
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult

from firefly_mcp.jsonio import JsonObject

TRAJECTORIES = 1024
"""How many trajectories one connection takes before the next is opened."""
SESSION_KEY = "firefly/session"
CALL_SECONDS = 120.0


class ReplayConnection:
    """An open MCP client, owned by a task of its own: a client must be closed by the task that opened it."""

    def __init__(self, url: str) -> None:
        """Begin to connect, in the running event loop."""
        self._url = url
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._owner = asyncio.create_task(self._own())
        self.begun = 0
        self.running = 0

    @property
    def usable(self) -> bool:
        """Whether one more trajectory may begin here."""
        return self.begun < TRAJECTORIES and not self.closed

    @property
    def closed(self) -> bool:
        """Whether the client has disconnected, or never could connect."""
        return self._owner.done()

    async def call(self, name: str, arguments: JsonObject, session: str) -> JsonObject:
        """Call a tool in a replay session; gives the ``CallToolResult`` as JSON.

        Raises:
            MCPError: the proxy answered with a JSON-RPC error.
            OSError, httpx errors: the proxy cannot be reached.
        """
        client = await asyncio.shield(self._client)
        meta: Any = {SESSION_KEY: session}
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments, _meta=meta))
        # Not Client.call_tool: that lists the tools and checks a recorded result against its schema once more.
        answer = await client.session.send_request(request, CallToolResult, request_read_timeout_seconds=CALL_SECONDS)
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def close(self) -> None:
        """Disconnect; the proxy then forgets the sessions that were named here."""
        self._done.set()
        await asyncio.gather(self._owner, return_exceptions=True)

    async def _own(self) -> None:
        try:
            async with Client(self._url, mode="legacy") as client:
                self._client.set_result(client)
                await self._done.wait()
        except Exception as error:
            if not self._client.done():
                self._client.set_exception(error)


class Connections:
    """The connections of one worker process to one proxy."""

    _known: ClassVar[dict[tuple[int, str], Connections]] = {}

    def __init__(self, url: str) -> None:
        """Use :meth:`to`, which gives every trajectory of a worker the same one."""
        self._url = url
        self._current: ReplayConnection | None = None

    @classmethod
    def to(cls, url: str) -> Connections:
        """Those of the running event loop."""
        return cls._known.setdefault((id(asyncio.get_running_loop()), url), cls(url))

    @asynccontextmanager
    async def trajectory(self) -> AsyncIterator[ReplayConnection]:
        """A connection for the length of one trajectory."""
        if self._current is None or not self._current.usable:
            self._current = ReplayConnection(self._url)
        connection = self._current
        connection.begun += 1
        connection.running += 1
        try:
            yield connection
        finally:
            connection.running -= 1
            if connection.running == 0 and not connection.usable:
                await connection.close()

    async def close(self) -> None:
        """Close the connection that still takes trajectories."""
        if self._current is not None:
            await self._current.close()
            self._current = None
