"""What is done about a miss: the steps that look elsewhere, each session in the order in which its calls came."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from firefly_mcp.canonical import call_hash
from firefly_mcp.errors import FireflyError
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.engine import MADE_UP
from firefly_mcp.store.simulated import SimulatedCall
from firefly_mcp.types import Call, CallStatus, MatchKind
from firefly_proxies.conversation import Emit
from firefly_proxies.replay_conversation import Ask, Step
from firefly_proxies.simulate import Question, Simulator


class Made(NamedTuple):
    """A call of a replayed session that was answered: as the client asked it, and as it was answered."""

    ask: Ask
    call: Call


@dataclass
class Place:
    """One replayed session on one server, or on several that declared effects join: what makes one history.

    Attributes:
        session: the session.
        emit: reaches its client.
        lock: held while a call that has to do with state is answered: what it may change must be settled before the next one.
        made: its answered calls that have to do with state, in order.
        unanswered: a call that may have changed something and got no answer; empty when there is none.
        repeated: how many of ``made`` were made elsewhere too.
        apart: why elsewhere is in another state; empty as far as is known.
    """

    session: ReplaySession
    emit: Emit
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    made: list[Made] = field(default_factory=list)
    unanswered: str = ""
    repeated: int = 0
    apart: str = ""


class Missed(NamedTuple):
    """A miss that may be answered elsewhere: the state in which it was asked, and the session's past before it."""

    ask: Ask
    answer: Answer
    state: str
    past: int

    @property
    def cause(self) -> str:
        """Why it missed."""
        return "" if self.answer.miss is None else self.answer.miss.cause

    def explained(self, reason: str, why: str) -> Answer:
        """The miss, of the same cause, and why nothing else answered it: in a word for programs, and for people."""
        miss = self.answer.miss
        assert miss is not None
        told = replace(miss, message=f"{miss.message}; {why}")
        return replace(self.answer, miss=told, notes={**self.answer.notes, "on_miss": reason})


class Elsewhere(Protocol):
    """Where an answer to a miss may come from."""

    async def answer(self, place: Place, missed: Missed) -> Answer:
        """Another answer, already settled in the session; or the miss."""

    async def end(self, session: ReplaySession) -> None:
        """Release what a session holds."""

    async def close(self) -> None:
        """Release the rest."""


class OnMiss:
    """The step around the look-up that sends misses elsewhere."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        """Ask ``elsewhere``."""
        self._elsewhere = elsewhere

    def around(self, step: Step, session: ReplaySession, emit: Emit) -> Step:
        """The step of one session."""
        places: dict[Hashable, Place] = defaultdict(lambda: Place(session, emit))
        relation = session.replay.index.relation

        async def answer(ask: Ask) -> Answer:
            place = places[relation.realm(ask.key.server)]
            stateful = relation.reads_state(ask.key) or relation.writes(ask.key)
            async with place.lock if stateful else contextlib.nullcontext():
                past, state = session.past(ask.key.server), session.state_key(*ask.key)
                found = await step(ask)
                if found.kind is MatchKind.MISS:
                    found = await self._elsewhere.answer(place, Missed(ask, found, state, past))
                if stateful and found.call is not None:
                    place.made.append(Made(ask, found.call))
                elif session.past(ask.key.server) > past:
                    place.unanswered = f"call of {ask.key}"
                return found

        return answer

    async def end(self, session: ReplaySession) -> None:
        """Release what a session holds."""
        await self._elsewhere.end(session)

    async def close(self) -> None:
        """Release the rest."""
        await self._elsewhere.close()


class Simulated:
    """A model answers, where the rules allow it; the answer is kept, and stands."""

    def __init__(self, simulator: Simulator) -> None:
        """Ask ``simulator``."""
        self._simulator = simulator

    async def answer(self, place: Place, missed: Missed) -> Answer:
        """The model's answer. What the server would refuse, and what only needs a beginning, stays a miss."""
        key, replay = missed.ask.key, place.session.replay
        tool = replay.index.tools.get(key)
        rules = replay.index.rules
        allowed = rules is None or rules.allows(key, MatchKind.SIMULATED)
        if tool is None or missed.cause not in ("never_recorded", "state") or not allowed:
            return missed.answer
        params = missed.ask.params
        nearest = [] if missed.answer.miss is None else [int(entry["call"]) for entry in missed.answer.miss.nearest]
        asked = SimulatedCall(key, call_hash(missed.ask.method, params), missed.state, self._simulator.model)
        question = Question(asked, params.get("arguments") or {}, nearest, [made.call for made in place.made])
        try:
            found = await self._simulator.answer(question, tool)
        except FireflyError as trouble:
            return missed.explained("not_simulated", f"and it could not be simulated: {trouble}")
        call = Call(
            id=MADE_UP,
            session=0,
            seq=0,
            server=key.server,
            method=missed.ask.method,
            tool=key.tool,
            params=params,
            args_hash=asked.args_hash,
            result=found.result,
            result_hash=found.result_hash,
            error=None,
            is_error=bool(found.result.get("isError")),
            status=CallStatus.DONE,
            started_at=0.0,
            duration_ms=None,
            overlaps=0,
        )
        place.session.settle(missed.past, call, label=f"{key} (simulated)")
        return Answer(MatchKind.SIMULATED, call, notes={"model": asked.model, "sources": nearest})

    async def end(self, session: ReplaySession) -> None:
        """Nothing is held for a session."""

    async def close(self) -> None:
        """Close the connections to the model."""
        await self._simulator.close()
