"""Latency replay: an answer from the recording takes as long as it took then, or a part of that."""

from __future__ import annotations

import asyncio
import time

from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.types import MatchKind
from firefly_proxies.conversation import PAUSE, Emit
from firefly_proxies.replay_conversation import Ask, Step

LIMIT_SECONDS = 60.0
"""No answer is held back for longer."""
_RECORDED = frozenset({MatchKind.EXACT, MatchKind.NORMALIZED, MatchKind.SEMANTIC})


class Pace:
    """Holds recorded answers back; all others took their own time already."""

    def __init__(self, factor: float = 1.0, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Set the pace.

        Args:
            factor: of the recorded duration: 0.5 is twice as fast.
            limit_seconds: the longest that an answer may take.
        """
        self.factor = factor
        self._limit = limit_seconds

    def seconds(self, answer: Answer) -> float:
        """How long an answer is to take, counted from its request."""
        if answer.kind not in _RECORDED or answer.call is None or not answer.call.duration_ms:
            return 0.0
        return self._scaled(answer.call.duration_ms)

    def _scaled(self, recorded_ms: float) -> float:
        return min(recorded_ms / 1000 * self.factor, self._limit)

    def around(self, step: Step, session: ReplaySession, emit: Emit) -> Step:
        """The step of one session."""

        async def answer(ask: Ask) -> Answer:
            began = time.monotonic()

            async def pause(offset_ms: float) -> None:
                await _until(began + self._scaled(offset_ms))

            setting = PAUSE.set(pause)  # what was said during the call is said at its time
            try:
                found = await step(ask)
            finally:
                PAUSE.reset(setting)
            await _until(began + self.seconds(found))
            return found

        return answer

    async def end(self, session: ReplaySession) -> None:
        """Nothing is held for a session."""

    async def close(self) -> None:
        """Nothing is shared."""


async def _until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)
