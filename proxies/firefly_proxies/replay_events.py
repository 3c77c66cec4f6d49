"""What was said during a recorded call: notifications, questions to the client, and what the client answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firefly_mcp.canonical import canonical_json
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.store.recording import Recording
from firefly_proxies.messages import META_SUBSCRIPTION, RequestId, is_request, is_response, meta_of, params_of

_KEPT = 4096
_UNSAID = frozenset({"ping", "notifications/cancelled", "notifications/subscriptions/acknowledged"})
"""What belongs to the connection, which is another one in replay."""


class Event(NamedTuple):
    """One message to the client: when it came, in milliseconds since the call began, and whether after the answer."""

    offset_ms: float
    late: bool
    message: JsonObject


class Question(NamedTuple):
    """A request of the server, and the answer that its client gave; None if it gave none."""

    offset_ms: float
    message: JsonObject
    answer: JsonObject | None


@dataclass(frozen=True, slots=True)
class Script:
    """What happens during a recorded call, in order: messages, and groups of questions that were asked together."""

    steps: tuple[Event | tuple[Question, ...], ...] = ()

    def questions(self) -> Iterator[Question]:
        """All questions, in order."""
        for step in self.steps:
            if not isinstance(step, Event):
                yield from step


SILENT = Script()


class RecordedEvents:
    """The scripts of a recording's calls."""

    def __init__(self, recording: Recording) -> None:
        """Look whether there are any."""
        self._db = recording.db
        self._scripts: dict[int, Script] = {}
        self.any = bool(self._db.execute("SELECT 1 FROM call_event WHERE call_id > 0 LIMIT 1").fetchall())
        """Whether anything was said during any call."""

    def script(self, call: int) -> Script:
        """What was said during a call."""
        known = self._scripts.get(call)
        if known is None:
            if len(self._scripts) >= _KEPT:
                self._scripts.clear()
            known = self._scripts[call] = self._read(call)
        return known

    def _read(self, call: int) -> Script:
        rows = self._db.execute(
            "SELECT e.offset_ms, e.direction, e.message, c.duration_ms FROM call_event e JOIN call c ON c.id = e.call_id"
            " WHERE e.call_id = ? ORDER BY e.id",
            (call,),
        ).fetchall()
        if not rows:
            return SILENT
        said = [(float(str(offset)), direction, loads(str(message)), duration) for offset, direction, message, duration in rows]
        answers: dict[RequestId, JsonObject] = {
            message["id"]: message for _, direction, message, _ in said if direction == "to_server" and is_response(message)
        }
        steps: list[Event | tuple[Question, ...]] = []
        asking: list[Question] = []
        for offset, direction, message, duration in said:
            asks = direction == "to_client" and is_request(message)
            if asking and not asks:  # what is asked before any answer is asked together
                steps.append(tuple(asking))
                asking = []
            if direction != "to_client" or message.get("method") in _UNSAID:
                continue
            if asks:
                asking.append(Question(offset, message, answers.get(message["id"])))
                continue
            message = _of_no_subscription(message)
            if not any(isinstance(step, Event) and step.message == message for step in steps[-1:]):
                steps.append(Event(offset, duration is not None and offset > float(str(duration)), message))
        if asking:
            steps.append(tuple(asking))
        return Script(tuple(steps))


def _of_no_subscription(message: JsonObject) -> JsonObject:
    """A message without the name of the subscription that it came through: each client of replay has its own."""
    meta = meta_of(message)
    if META_SUBSCRIPTION not in meta:
        return message
    kept = {key: value for key, value in meta.items() if key != META_SUBSCRIPTION}
    params = {key: value for key, value in params_of(message).items() if key != "_meta"}
    return {**message, "params": {**params, "_meta": kept} if kept else params}


def question_key(message: JsonObject) -> bytes:
    """A question without what differs between two times it is asked."""
    params = {key: value for key, value in params_of(message).items() if key != "_meta"}
    return canonical_json({"method": message.get("method"), "params": params})


def answer_key(message: JsonObject | None) -> bytes | None:
    """A client's answer without what differs between two times it is given: its id and ``_meta``, an error's words."""
    if message is None:
        return None
    if "error" in message:
        return canonical_json({"error": (message["error"] or {}).get("code")})
    result = message.get("result")
    said = {key: value for key, value in (result or {}).items() if key not in ("_meta", "resultType")}
    return canonical_json({"result": said})
