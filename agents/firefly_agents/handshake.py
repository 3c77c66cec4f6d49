"""A front that is spoken to by handshake alone, so that a client never asks which era it is in.

The SDK's client asks ``server/discover``, waits ten seconds, and then begins anew with ``initialize``: a server that takes
longer to start, as many do on a busy machine, would be started twice for each session.
"""

from __future__ import annotations

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import Conversation, ConversationFactory, Emit, Opening
from firefly_proxies.messages import HANDSHAKE_VERSIONS, UNSUPPORTED_VERSION, error, version_of


class HandshakeOnly:
    """Opens conversations of another factory for clients that initialize, and refuses the others at once."""

    def __init__(self, factory: ConversationFactory) -> None:
        """Stand before ``factory``."""
        self._factory = factory

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """A conversation of the factory, or one that refuses."""
        return Refusal() if opening.stateless else await self._factory.open(opening, emit)

    async def close(self) -> None:
        """Release what the factory holds."""
        await self._factory.close()


class Refusal:
    """Answers a client of the stateless era that only the handshake is spoken here."""

    async def request(self, message: JsonObject) -> JsonObject:
        """Refuse."""
        data = {"supported": list(HANDSHAKE_VERSIONS), "requested": version_of(message)}
        return error(message["id"], UNSUPPORTED_VERSION, "Unsupported protocol version: initialize", data)

    async def notify(self, message: JsonObject) -> None:
        """Nothing comes of it."""

    async def close(self) -> None:
        """Nothing is held."""
