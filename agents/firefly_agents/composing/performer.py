"""Holds a scenario's session through the recording proxy: call after call, each filled from the answers before it."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from firefly_agents.composing.scenario import Move, Scenario, taken
from firefly_agents.pool import ServerPool
from firefly_agents.session import label
from firefly_agents.settings import Budget
from firefly_agents.workshop import Workshop
from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import told_error
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.tasks.literals import put
from firefly_mcp.types import SessionKind
from firefly_proxies.conversation import Conversation, Opening
from firefly_proxies.messages import LATEST_HANDSHAKE, RequestId, notification, request

_CLIENT = {"name": "firefly-compose", "version": "1"}


class Performer:
    """Holds sessions in the sandboxes of a workshop."""

    def __init__(self, workshop: Workshop, budget: Budget) -> None:
        """Keep to a budget; ``counts`` tells of calls made, succeeded and left out."""
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._workshop = workshop
        self._budget = budget

    async def perform(self, scenario: Scenario, pool: ServerPool) -> None:
        """Hold the session; what fails is kept as its label, never raised."""
        workshop, recording = self._workshop, self._workshop.recording
        labels = {"composed": scenario.kind, **dict(scenario.labels)}
        servers = [name for name in workshop.specs if name in scenario.servers]
        factory = workshop.factory(servers, SessionKind.EXPLORE, labels, pool)

        async def ignore(message: JsonObject, related: RequestId | None) -> None:
            return

        try:
            async with asyncio.timeout(self._budget.seconds + self._budget.start_seconds):
                conversation = await factory.open(Opening("http", session_id=scenario.key), ignore)
                try:
                    await self._converse(conversation, scenario.moves, servers)
                finally:
                    await conversation.close()
        except (ServerError, TimeoutError) as trouble:
            self.failed["server"] += 1
            label(recording, scenario.key, {"failed": {"boundary": "server", "error": str(trouble)[:300]}})
        finally:
            await factory.close()
        self.counts["sessions"] += 1

    async def _converse(self, conversation: Conversation, moves: Sequence[Move], servers: Sequence[str]) -> None:
        ids = itertools.count(1)
        hello = {"protocolVersion": LATEST_HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
        answer = await conversation.request(request(next(ids), "initialize", hello))
        if "error" in answer:
            raise ServerError(str(answer["error"].get("message")))
        await conversation.notify(notification("notifications/initialized"))
        tools = [tool.key for server in servers for tool in queries.tools(self._workshop.recording, server)]
        names = ExposedNames(tools, single=len(servers) == 1)
        answers: list[JsonObject | None] = []
        for move in moves:
            arguments = self._filled(move, answers)
            if arguments is None:
                self.counts["left_out"] += 1
                answers.append(None)
                if move.vital:
                    return
                continue
            params = {"name": names.exposed(move.tool), "arguments": arguments}
            answer = await conversation.request(request(next(ids), "tools/call", params))
            result = answer.get("result")
            good = isinstance(result, dict) and not told_error(result)
            answers.append(result if good else None)
            self.counts["calls"] += 1
            self.counts["succeeded"] += good
            if move.vital and not good and not rejected(result, answer.get("error")):
                return
            if move.vital and not good:
                self.counts["refused"] += 1
                return

    def _filled(self, move: Move, answers: Sequence[JsonObject | None]) -> JsonObject | None:
        """The arguments with what earlier answers hold, or None where one of them holds nothing that fits."""
        places: dict[str, Any] = {}
        for take in move.takes:
            source = answers[take.source]
            value = None if source is None else taken(take, source)
            if value is None or not _fits(value, move.arguments, take.pointer, take.most):
                return None
            places[take.pointer] = value
        return put(move.arguments, places)


def _fits(value: Any, arguments: JsonObject, pointer: str, most: float | None) -> bool:
    """Whether a value may stand where one of the same type stood before."""
    from firefly_agents.composing.scenario import scalars_at

    before = dict(scalars_at(arguments)).get(pointer)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if most is not None and abs(value) > most:
            return False
        if isinstance(before, int) and isinstance(value, float) and not value.is_integer():
            return False
    number = isinstance(before, int | float)
    return before is None or number == isinstance(value, int | float)
