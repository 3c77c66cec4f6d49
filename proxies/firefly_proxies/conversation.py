"""The seam between the fronts, which speak a transport, and whatever answers: a relay, a gateway, a replay, a task.

A front opens one :class:`Conversation` for each client session and hands it JSON-RPC messages as JSON. Nothing on
either side knows what is on the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.messages import RequestId

Emit = Callable[[JsonObject, RequestId | None], Awaitable[None]]
"""Sends a notification or request to the client. The second argument is the id of the client's request that the message
belongs to, or None: over HTTP it chooses the stream on which the message travels."""

AtOnce = Callable[[bytes], bytes | None]
"""Answers a request, encoded as it came, with an encoded response; None if it cannot at once, and then nothing has changed.

A conversation that has one offers it as its attribute ``at_once``, for requests of the handshake era."""

PARAM_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("PARAM_HEADERS")
"""The ``Mcp-Param-*`` headers of the HTTP request that is being answered; unset when it has none."""

PAUSE: ContextVar[Callable[[float], Awaitable[None]]] = ContextVar("PAUSE")
"""Waits until so many milliseconds of the recorded time of the call that is being answered have passed; unset at full speed."""


@dataclass(frozen=True)
class Opening:
    """How a client session began.

    Attributes:
        transport: ``stdio`` or ``http``.
        stateless: whether the client speaks an era without ``initialize``.
        query: the query of the URL that the session was opened with, first value of each name.
        headers: the HTTP headers of the request that opened it, lower-case names; empty on stdio.
        session_id: the session's name. None for a stateless client that named none: such a request is a session of its own.
    """

    transport: str
    stateless: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    session_id: str | None = None


class Conversation(Protocol):
    """One client session. Requests may overlap; a cancelled :meth:`request` means that nobody waits for it any more."""

    async def request(self, message: JsonObject) -> JsonObject:
        """Answer one JSON-RPC request with a JSON-RPC response of the same id.

        Trouble of any kind is answered as a JSON-RPC error or a tool error; nothing is raised but ``CancelledError``.
        """

    async def notify(self, message: JsonObject) -> None:
        """Take a client's notification, or its response to a request that was emitted to it."""

    async def close(self) -> None:
        """End the session and release what it holds. Called once."""


class ConversationFactory(Protocol):
    """Opens conversations, and holds what they share."""

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """Begin a session.

        Raises:
            FireflyError: the session cannot begin; the front reports it to the client as an error.
        """

    async def close(self) -> None:
        """Release what the conversations shared, after all of them were closed."""
