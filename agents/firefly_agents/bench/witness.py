"""Stands between the subject and the replay, and notes each call: how it was answered is seen here, not by the subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firefly_mcp.bench.attribution import REFUSED
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.types import MatchKind
from firefly_proxies.conversation import Conversation, ConversationFactory, Emit, Opening
from firefly_proxies.messages import params_of, tool_error

MISSED: JsonObject = {"content": [{"type": "text", "text": "this call cannot be answered here"}], "isError": True}
"""What a subject is told of a miss: the explanation in the log names recorded calls, and with them right arguments."""
SPENT = "the budget of calls is spent; answer now"


@dataclass
class Seen:
    """One call as it came and as it was answered."""

    name: str
    arguments: JSON
    result: JsonObject = field(default_factory=dict)
    meta: JsonObject = field(default_factory=dict)
    failed: bool = False
    """Whether there was an error: of the protocol, of the tool, or a miss."""


@dataclass
class Notes:
    """What one session did."""

    limit: int
    calls: list[Seen] = field(default_factory=list)
    over: bool = False
    """Whether it asked for more calls than it may make."""


class Witness:
    """A conversation factory around the replay's, with a limit of calls for each session that is expected."""

    def __init__(self, factory: ConversationFactory) -> None:
        """Watch the sessions of ``factory``, which must tell provenance; the client is told none."""
        self._factory = factory
        self._expected: dict[str, Notes] = {}

    def expect(self, session: str, limit: int) -> Notes:
        """Note what the session of this name does, and let it make at most ``limit`` calls."""
        self._expected[session] = Notes(limit)
        return self._expected[session]

    def forget(self, session: str) -> None:
        """Keep no more notes of a session."""
        self._expected.pop(session, None)

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        """A conversation that is watched."""
        notes = self._expected.get(opening.session_id or "") or Notes(0)
        return Watched(await self._factory.open(opening, emit), notes)

    async def close(self) -> None:
        """Release what the factory holds."""
        await self._factory.close()


def _refused(seen: Seen) -> bool:
    """Whether the arguments broke the schema: the error of that is the server's own, and is told."""
    return seen.meta.get("firefly/cause") in REFUSED


class Watched:
    """One watched conversation."""

    def __init__(self, inner: Conversation, notes: Notes) -> None:
        """Watch ``inner``."""
        self._inner = inner
        self._notes = notes

    async def request(self, message: JsonObject) -> JsonObject:
        """Pass a request on; of a tool call note the answer and take its provenance away."""
        if message.get("method") != "tools/call":
            return await self._inner.request(message)
        if len(self._notes.calls) >= self._notes.limit:
            self._notes.over = True
            return tool_error(message["id"], SPENT)
        params = params_of(message)
        seen = Seen(str(params.get("name", "")), params.get("arguments") or {})
        self._notes.calls.append(seen)
        response = await self._inner.request(message)
        result = response.get("result")
        if not isinstance(result, dict):
            seen.failed, seen.result = (
                True,
                {"content": [{"type": "text", "text": str(response.get("error"))}], "isError": True},
            )
            return response
        meta: Mapping[str, JSON] = result.get("_meta") or {}
        seen.meta = {key: value for key, value in meta.items() if key.startswith("firefly/")}
        rest = {key: value for key, value in meta.items() if key not in seen.meta}
        seen.result = {key: value for key, value in result.items() if key != "_meta"}
        seen.failed = bool(result.get("isError"))
        told = MISSED if seen.meta.get("firefly/match") == MatchKind.MISS and not _refused(seen) else seen.result
        return {**response, "result": {**told, **({"_meta": rest} if rest else {})}}

    async def notify(self, message: JsonObject) -> None:
        """Pass on what the client tells."""
        await self._inner.notify(message)

    async def close(self) -> None:
        """End the conversation."""
        await self._inner.close()
