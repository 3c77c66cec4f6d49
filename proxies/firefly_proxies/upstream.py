"""The protocol of an upstream: one session with one real server, as JSON-RPC messages in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.messages import RequestId

Listener = Callable[[JsonObject, RequestId | None], Awaitable[None]]
"""Takes a notification or request of the server, and the id of the client's request that it belongs to, if known.
It is awaited before anything that the server said later is looked at: order is kept, and a slow client slows its server."""

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message of a server; a longer one ends the session."""
START_SECONDS = 180.0
"""How long a server may take to its first answer: the first start of a package may have to install it."""


class RefusedError(ServerError):
    """A server answered in HTTP's terms what a client must see in them: 401, 403, 404.

    Attributes:
        status: the HTTP status.
        headers: what must reach the client beside it, such as ``WWW-Authenticate``.
    """

    def __init__(self, message: str, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers)


class Upstream(Protocol):
    """A session with a server. Ids in messages are the client's own; the upstream translates where it must."""

    async def request(self, message: JsonObject) -> JsonObject:
        """Ask the server; gives its response under the message's id.

        Cancelling the task tells the server that nobody waits any more.

        Raises:
            ServerError: the server did not start, died, hung at its start, or spoke something that is not MCP.
        """

    async def notify(self, message: JsonObject) -> None:
        """Pass on a client's notification, or its response to a request of the server.

        Raises:
            ServerError: as :meth:`request`.
        """

    @property
    def ended(self) -> bool:
        """Whether the session is over for good: a process that died does not come back."""

    async def close(self) -> None:
        """End the session and everything that was started for it."""


Connect = Callable[[ServerSpec, Listener], Awaitable[Upstream]]
"""Supplies the upstream for a server whose spec is expanded."""
