"""Second observations: every useful session once more in fresh sandboxes, and its reads without its writes.

Where all answers agree, the origin of both sessions is proven. What a read answers without the writes before it is evidence
for the effect relation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import is_success
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.steady import alike
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.types import Call, CallStatus, Session
from firefly_proxies.conversation import Conversation, Opening
from firefly_proxies.messages import LATEST_HANDSHAKE, RequestId, notification, request
from firefly_proxies.record import RecordFactory

_CLIENT = {"name": "firefly-confirm", "version": "1"}


def useful(calls: Sequence[Call], least: int = 2) -> bool:
    """Whether a session may give tasks: at least so many calls of it did what they were asked."""
    return sum(is_success(call) for call in calls) >= least


def session_calls(recording: Recording, session: Session) -> list[Call]:
    """The tool calls of a session, in order, with their results."""
    return list(queries.calls(recording, session=session.id, method="tools/call"))


async def repeat(
    recording: Recording, factory: RecordFactory, calls: Sequence[Call], *, servers: Sequence[str], key: str
) -> None:
    """Make the same calls again as one session called ``key``.

    Raises:
        ServerError: the session could not begin.
    """

    async def ignore(message: JsonObject, related: RequestId | None) -> None:
        return

    conversation = await factory.open(Opening("http", session_id=key), ignore)
    ids = itertools.count(1)
    try:
        await _ask(conversation, next(ids), "initialize", _hello())
        await conversation.notify(notification("notifications/initialized"))
        tools = [tool.key for server in servers for tool in queries.tools(recording, server)]
        names = ExposedNames(tools, single=len(servers) == 1)
        for call in calls:
            params = {"name": names.exposed(call.key), "arguments": call.arguments}
            await conversation.request(request(next(ids), "tools/call", params))
    finally:
        await conversation.close()


def _hello() -> JsonObject:
    return {"protocolVersion": LATEST_HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}


async def _ask(conversation: Conversation, request_id: int, method: str, params: JsonObject) -> JsonObject:
    answer = await conversation.request(request(request_id, method, params))
    if "error" in answer:
        raise ServerError(str(answer["error"].get("message")))
    return answer


def prove(
    recording: Recording, first: Session, second: Session, relation: EffectRelation, origins: Mapping[str, str]
) -> dict[str, bool]:
    """Compare two sessions of the same calls, and mark the origin of both as proven for each server where it was the same.

    What is proven is where both began. Answers are compared up to the first writer that answered otherwise (an id that it made
    up): after it the two are in different states. Then at least one earlier read of state must have agreed. A tool that depends
    on no state and answers otherwise does so by itself (a clock) and does not count.

    Args:
        recording: holds both.
        first: the exploring session.
        second: its repetition.
        relation: tells which tools may change something.
        origins: the origin id of each server's fresh sandbox.

    Returns:
        For each server whether it was proven.
    """
    pairs = list(zip(session_calls(recording, first), session_calls(recording, second), strict=False))
    verdicts: dict[str, bool] = {}
    for server in sorted({call.server for call, _ in pairs}):
        verdicts[server] = began_alike([pair for pair in pairs if pair[0].server == server], relation)
        if verdicts[server]:
            for session in (first, second):
                SessionWriter(recording, session.id, session.key).set_origin(server, f"proven({origins[server]})")
    return verdicts


def began_alike(pairs: Sequence[tuple[Call, Call]], relation: EffectRelation) -> bool:
    """Whether the answers of one server to the same calls show that both sessions began in the same state."""
    agreed = read = False
    for one, other in pairs:
        if _same(one, other):
            agreed = True
            read = read or (relation.reads_state(one.key) and not relation.writes(one.key))
        elif one.args_hash != other.args_hash or (relation.reads_state(one.key) and not relation.writes(one.key)):
            return False
        elif relation.writes(one.key):
            return read
    return agreed


def _same(one: Call, other: Call) -> bool:
    return (
        one.key == other.key
        and one.args_hash == other.args_hash
        and one.status == other.status == CallStatus.DONE
        and one.error == other.error
        and (one.result_hash == other.result_hash or alike(one.result, other.result, (one.started_at, other.started_at)))
    )
