"""What a replayed call says to its client before its answer, and asks it: the recorded messages, in the client's own terms.

A recorded question is put to the client, and its answer tells apart the recorded calls that might answer: the same answer as a
recorded client's leads to what the server said to that one. An answer that no recorded client gave is a declared miss.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import Answer, ReplaySession
from firefly_mcp.replay.index import Candidate
from firefly_mcp.replay.misses import NEAREST, Miss
from firefly_mcp.types import ToolKey
from firefly_proxies.conversation import PAUSE, Emit
from firefly_proxies.messages import REQUEST_CANCELLED, RequestId, error, loud_enough, params_of
from firefly_proxies.replay_events import Event, Question, RecordedEvents, Script, answer_key, question_key
from firefly_proxies.replay_lists import CHANGES

EXCHANGE = "exchange"
"""The cause of a miss: the client said what no recorded client said."""
_CAPABILITIES = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}
_ids = itertools.count(1)

Changed = Callable[[str, str, int], None]
"""Told of a server's ``list_changed`` notification, and of the recorded call that caused it."""
Redact = Callable[[JsonObject], JsonObject]
"""Redacts a message."""


class Call(NamedTuple):
    """A request to be answered: where it goes, and the id and progress token that its client knows it by."""

    server: str
    method: str
    params: JsonObject
    forms: Sequence[JsonObject]
    request_id: RequestId
    token: RequestId | None


class Exchanges:
    """The messages between one replayed session and its client that are no requests of the client."""

    def __init__(self, session: ReplaySession, events: RecordedEvents, emit: Emit, changed: Changed, told: Redact) -> None:
        """Prepare.

        Args:
            session: looks calls up.
            events: what was said during them.
            emit: reaches the client.
            changed: told of lists that have changed.
            told: redacts what the client says as the recording's sessions were redacted.
        """
        self._session = session
        self._events = events
        self._emit = emit
        self._changed = changed
        self._told = told
        self._waiting: dict[RequestId, tuple[RequestId, asyncio.Future[JsonObject]]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self.capabilities: JsonObject | None = None
        """What the client said that it can do; None where it says so with each request."""
        self.log_level: str | None = None
        self.watched: set[str] = set()
        """URIs of the resources that the client has subscribed to."""

    async def answer(self, call: Call) -> Answer:
        """The recorded answer to a call, after everything that was said before it."""
        asked = (call.server, call.method, call.params, call.forms)
        found = self._session.candidates(*asked)
        script = self._events.script(found[0].call) if found else Script()
        if not any(script.questions()):
            answer = self._session.answer(*asked)
            if answer.call is not None:
                await self._tell_all(call, answer.call.id, script.steps)
            return answer
        return await self._exchange(call, found)

    def take(self, message: JsonObject) -> None:
        """Take the client's answer to a question."""
        _, waiting = self._waiting.get(message["id"], (None, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def cancel(self, request_id: object) -> None:
        """Wait no longer for the answers that a request needs: its client has taken it back."""
        for own, (asking, waiting) in self._waiting.items():
            if asking == request_id and not waiting.done():
                waiting.set_result(error(own, REQUEST_CANCELLED, "Request cancelled"))

    async def ask(self, questions: Sequence[JsonObject], request_id: RequestId) -> list[JsonObject]:
        """Put questions to the client on the stream of its request, all at once, and wait for its answers."""
        asked: list[RequestId] = []
        loop = asyncio.get_running_loop()
        try:
            for question in questions:
                own: RequestId = f"firefly-replay-{next(_ids)}"
                self._waiting[own] = (request_id, loop.create_future())
                asked.append(own)
                await self._emit({**question, "id": own}, request_id)
            return [await self._waiting[own][1] for own in asked]
        finally:
            for own in asked:
                self._waiting.pop(own)[1].cancel()

    def unable(self, method: str) -> str | None:
        """The capability that a question needs and the client has said it lacks, or None."""
        needed = _CAPABILITIES.get(method)
        return needed if needed is not None and self.capabilities is not None and needed not in self.capabilities else None

    def refused(self, key: ToolKey, lacking: str) -> Miss:
        """The miss of a call that asks its client for something that it cannot do."""
        return Miss(EXCHANGE, f"{key} is recorded, but it asks its client for {lacking}, and this client cannot do that")

    async def _exchange(self, call: Call, found: list[Candidate]) -> Answer:
        """Go through a call that asks its client something."""
        said: list[tuple[bytes, bytes | None]] = []
        able = [candidate for candidate in found if not self._beyond(candidate)]
        if not able:
            questions = self._events.script(found[0].call).questions()
            lacking = next(filter(None, (self.unable(str(question.message.get("method"))) for question in questions)))
            return self._missed(call, self.refused(ToolKey(call.server, str(call.params.get("name", call.method))), lacking))
        possible, position = able, 0
        while True:
            steps = self._events.script(possible[0].call).steps
            together = next((step for step in steps[position:] if not isinstance(step, Event)), None)
            until = len(steps) if together is None else steps.index(together, position)
            await self._tell_all(call, possible[0].call, steps[position:until])
            if together is None:
                chosen = possible[0].call
                answer = self._session.answer(call.server, call.method, call.params, call.forms, chosen.__eq__)
                return replace(answer, variants=len({candidate.outcome for candidate in found}))
            answers = await self._ask_recorded(together, call.request_id)
            pairs = zip(together, answers, strict=True)
            said += [(question_key(question.message), answer_key(answer)) for question, answer in pairs]
            possible = [candidate for candidate in possible if self._said(candidate)[: len(said)] == said]
            if not possible:
                asked = str(together[0].message.get("method"))
                name = call.params.get("name", call.method)
                why = f"{call.server}/{name} is recorded, but the client answered its {asked} as no recorded client did"
                nearest = [{"call": candidate.call, "differs": {"answer": asked}} for candidate in found[:NEAREST]]
                return self._missed(call, Miss(EXCHANGE, why, nearest))
            position = self._after(possible[0], len(said))

    async def _ask_recorded(self, questions: Sequence[Question], request_id: RequestId) -> list[JsonObject]:
        answers = await self.ask([question.message for question in questions], request_id)
        return [self._told(answer) for answer in answers]

    def _said(self, candidate: Candidate) -> list[tuple[bytes, bytes | None]]:
        """The questions of a recorded call, and how its client answered them."""
        questions = self._events.script(candidate.call).questions()
        return [(question_key(question.message), answer_key(question.answer)) for question in questions]

    def _after(self, candidate: Candidate, count: int) -> int:
        """The step of a recorded call that follows its first ``count`` questions."""
        for number, step in enumerate(self._events.script(candidate.call).steps):
            if count <= 0:
                return number
            if not isinstance(step, Event):
                count -= len(step)
        return len(self._events.script(candidate.call).steps)

    def _beyond(self, candidate: Candidate) -> bool:
        """Whether a recorded call asks for what this client cannot do."""
        questions = self._events.script(candidate.call).questions()
        return any(self.unable(str(question.message.get("method"))) for question in questions)

    def _missed(self, call: Call, miss: Miss) -> Answer:
        """A declared miss; the session's state takes it in as it does any other."""
        missed = self._session.answer(call.server, call.method, call.params, call.forms, lambda _: False)
        return replace(missed, miss=miss)

    async def _tell_all(self, call: Call, source: int, steps: Sequence[Event | tuple[Question, ...]]) -> None:
        for step in steps:
            if not isinstance(step, Event):
                continue
            if step.message["method"] in CHANGES:
                self._changed(call.server, step.message["method"], source)
            if step.late:  # it came after the answer: after it, it goes
                task = asyncio.get_running_loop().create_task(self._tell(call, source, step.message))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                continue
            if (pause := PAUSE.get(None)) is not None:
                await pause(step.offset_ms)
            await self._tell(call, source, step.message)

    async def _tell(self, call: Call, source: int, message: JsonObject) -> None:
        method = message.get("method")
        if method == "notifications/progress":
            if call.token is not None:
                told = {**message, "params": {**params_of(message), "progressToken": call.token}}
                await self._emit(told, call.request_id)
        elif method == "notifications/message":
            if loud_enough(message, self.log_level):
                await self._emit(message, call.request_id)
        elif method == "notifications/resources/updated":
            if params_of(message).get("uri") in self.watched:
                await self._emit(message, None)
        elif method in CHANGES or method == "notifications/elicitation/complete":
            await self._emit(message, None)
        else:
            await self._emit(message, call.request_id)

    def close(self) -> None:
        """Wait for nobody any more."""
        for _, waiting in self._waiting.values():
            waiting.cancel()
