"""The fault overlay: answers spoiled, held up or kept back on purpose, as the user's rules and a seed decide."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.engine import MADE_UP
from firefly_mcp.replay.faults import INSTEAD, Fault, FaultKind, FaultPlan, FaultRule
from firefly_mcp.types import Call, CallStatus, MatchKind
from firefly_proxies.conversation import Emit
from firefly_proxies.replay_conversation import Ask, Step

_SAID = {
    FaultKind.TOOL_ERROR: "Internal error while executing the tool",
    FaultKind.ERROR: "Internal error",
}
_NOISE = "�\x00\x1b[]{}<>\"'\\/|~^%$#@!0123456789abcdefXYZ éß漢"


class Faults:
    """Lays faults over the answers of all sessions; each session has a plan of its own."""

    def __init__(self, rules: Sequence[FaultRule], seed: int = 0) -> None:
        """Draw by ``seed``."""
        self._rules = tuple(rules)
        self._seed = seed

    def around(self, step: Step, session: ReplaySession, emit: Emit) -> Step:
        """The step of one session."""
        plan = FaultPlan(self._rules, self._seed)

        async def answer(ask: Ask) -> Answer:
            fault = plan.next(ask.key, ask.method, call_hash(ask.method, ask.params))
            if fault is None:
                return await step(ask)
            if fault.kind in INSTEAD:
                return instead(fault, ask)
            found = await step(ask)
            if fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.rule.delay_ms / 1000)
            return spoiled(fault, found)

        return answer

    async def end(self, session: ReplaySession) -> None:
        """Nothing is held for a session."""

    async def close(self) -> None:
        """Nothing is shared."""


def instead(fault: Fault, ask: Ask) -> Answer:
    """The error that stands in place of an answer."""
    message = fault.rule.message or _SAID[fault.kind]
    result: JsonObject | None = None
    error: JsonObject | None = None
    if fault.kind is FaultKind.TOOL_ERROR:
        result = {"content": [{"type": "text", "text": message}], "isError": True}
    else:
        error = {"code": fault.rule.code, "message": message}
    call = Call(
        id=MADE_UP,
        session=0,
        seq=0,
        server=ask.key.server,
        method=ask.method,
        tool=ask.key.tool if ask.method == "tools/call" else None,
        params=ask.params,
        args_hash=call_hash(ask.method, ask.params),
        result=result,
        result_hash=None,
        error=error,
        is_error=True,
        status=CallStatus.DONE,
        started_at=0.0,
        duration_ms=None,
        overlaps=0,
    )
    return Answer(MatchKind.MISS, call, notes={"fault": str(fault.kind)})


def spoiled(fault: Fault, found: Answer) -> Answer:
    """An answer with the fault noted, and its texts cut or garbled where that is the fault. A miss stays as it is."""
    notes: Mapping[str, JSON] = {**found.notes, "fault": str(fault.kind)}
    call = found.call
    if call is None or call.result is None or fault.kind not in (FaultKind.TRUNCATE, FaultKind.GARBAGE):
        return replace(found, notes=notes)
    kept = {key: value for key, value in call.result.items() if key != "structuredContent"}
    content = [_item(fault, number, item) for number, item in enumerate(call.result.get("content") or [])]
    return replace(found, notes=notes, call=replace(call, result={**kept, "content": content}, result_hash=None))


def _item(fault: Fault, number: int, item: Any) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return item
    told = item["text"]
    if fault.kind is FaultKind.TRUNCATE:
        return {**item, "text": told[: len(told) // 2]}
    drawn = random.Random(f"{fault.noise}:{number}")
    return {**item, "text": "".join(drawn.choice(_NOISE) for _ in range(max(8, min(len(told), 2000))))}
