"""Variations of a demonstration: the same plan with other values, and its tools in another order.

A small model that sees few plans learns their values by heart. Where a value is copied (from the request into a call, from a
result into the next call or into the answer), another value of the same form can stand in all its places; so can one that is
only read, beside it. What then remains to be learned is the copying. The plan's selections are made again on the other values:
the answer is what they choose there, and a variation in which a call would be another is not used. Supervised steps use this as
it is; for rewards :mod:`firefly_train.varied` writes the varied calls into a recording of their own and proves the labels anew.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.observe import walk
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import same_value
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_train.demonstrations import Demonstration
from firefly_train.swaps import OtherValues, Swaps, swappable, whole

_COPIED = 2
"""Messages in which a value stands that is copied, at least."""
_KEPT = 0.15
"""The share of variations that keep the recorded values."""
_TRIES = 4
_MOST = 150
"""Values that are only read, in one conversation, that are swapped at most."""


class Variations:
    """Makes variations out of the words that the demonstrations' own values are made of."""

    def __init__(self, demonstrations: Iterable[Demonstration]) -> None:
        """Gather the words."""
        self._others = OtherValues(value for shown in demonstrations for value in _written(shown))

    def of(self, shown: Demonstration, rng: random.Random) -> Demonstration:
        """One variation; the same ``rng`` state gives the same one."""
        tools = other_tools(shown, rng)
        if rng.random() < _KEPT:
            return replace(shown, tools=tools)
        return replace(shown, tools=tools, messages=self._followed(shown, rng)[1])

    def swaps(self, shown: Demonstration, rng: random.Random) -> Swaps:
        """Other values with which the plan makes the calls that they stand in; none where such are not found."""
        return self._followed(shown, rng)[0]

    def _followed(self, shown: Demonstration, rng: random.Random) -> tuple[Swaps, list[JsonObject]]:
        values = _values(shown)
        for attempt in range(_TRIES):
            # An order that a call depends on is seldom met by chance; one that only the answer depends on shall not be learned.
            others = self._others.of(values, rng, ordered=attempt >= _TRIES // 2)
            times = Counter(others.values())
            swaps = Swaps({value: other for value, other in others.items() if other != value and times[other] == 1})
            if swaps.others and (messages := _followed(shown, swaps)):
                return swaps, messages
        return Swaps({}), shown.messages


def other_tools(shown: Demonstration, rng: random.Random) -> list[JsonObject]:
    """The tools in another order, some that the plan does not need left out; the answer channel stays last."""
    called = {call["function"]["name"] for message in shown.messages for call in message.get("tool_calls") or ()}
    needed = [entry for entry in shown.tools if _name(entry) in called and _name(entry) != ANSWER_TOOL]
    spare = [entry for entry in shown.tools if _name(entry) not in called]
    mixed = [*needed, *rng.sample(spare, rng.randint(0, len(spare)))]
    rng.shuffle(mixed)
    return [*mixed, *(entry for entry in shown.tools if _name(entry) == ANSWER_TOOL)]


def _values(shown: Demonstration) -> list[str]:
    """What can be swapped: what the model writes, where it is copied from somewhere; and what it only reads."""
    fixed = shown.messages[0]["content"] + text([entry["function"]["name"] for entry in shown.tools])
    spoken = [text(_content(message)) for message in shown.messages[1:]]
    written = sorted({str(value) for value in _written(shown)})
    read = sorted({str(value) for value in _read(shown)} - set(written))
    found = []
    for value in (*written, *read[:_MOST]):
        place, fewest = whole(value), _COPIED if value in written else 1
        if not place.search(fixed) and sum(bool(place.search(said)) for said in spoken) >= fewest:
            found.append(value)
    return found


def _written(shown: Demonstration) -> Iterator[Any]:
    for message in shown.messages:
        for call in message.get("tool_calls") or ():
            yield from (value for _, value in walk(call["function"]["arguments"]) if swappable(value))


def _read(shown: Demonstration) -> Iterator[Any]:
    for message in shown.messages:
        if message["role"] == "tool":
            yield from (value for _, value in walk(_body(message["content"])) if swappable(value))


def _followed(shown: Demonstration, swaps: Swaps) -> list[JsonObject] | None:
    """The conversation with other values and the answer that the plan then gives; None where it would make other calls."""
    messages = [shown.messages[0], *(_swapped_in(message, swaps) for message in shown.messages[1:])]
    spoken = [message["tool_calls"][0]["function"] for message in messages if message.get("tool_calls")]
    read = [_result(message["content"]) for message in messages if message["role"] == "tool"]
    plan = shown.task.plan
    results = {node.id: result for node, result in zip(plan, read, strict=True)}
    try:
        for node, function in zip(plan, spoken, strict=False):
            values = [(bound, select(results[bound.source], swaps.json(bound.select))) for bound in node.bindings]
            if not same_value(bind(swaps.json(node.arguments), values), function["arguments"]):
                return None
        answer = {name: select(results[proof.node], swaps.json(proof.select)) for name, proof in shown.task.evidence.items()}
    except (SelectionError, KeyError, IndexError, ValueError):
        return None
    spoken[-1]["arguments"] = {"answer": answer}
    return messages


def _result(said: str) -> JsonObject:
    """A tool's result again, of what was shown of it."""
    body = _body(said)
    return {"structuredContent": body} if isinstance(body, dict) else {"content": [{"type": "text", "text": said}]}


def _body(said: str) -> Any:
    """The JSON value that a text is; None where it is prose."""
    try:
        return loads(said.encode())
    except ValueError:
        return None


def _content(message: JsonObject) -> Any:
    calls = message.get("tool_calls")
    return [call["function"]["arguments"] for call in calls] if calls else message["content"]


def _swapped_in(message: JsonObject, swaps: Swaps) -> JsonObject:
    if not message.get("tool_calls"):
        return {**message, "content": swaps.text(message["content"])}
    calls = []
    for call in message["tool_calls"]:
        function = call["function"]
        calls.append({**call, "function": {**function, "arguments": swaps.json(function["arguments"])}})
    return {**message, "tool_calls": calls}


def _name(entry: JsonObject) -> str:
    return str(entry["function"]["name"])
