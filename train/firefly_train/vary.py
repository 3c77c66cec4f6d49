"""Variations of a demonstration: the same plan with other values, and its tools in another order.

A small model that sees few plans learns their values by heart. Where a value is copied (from the request into a call, from a
result into the next call or into the answer), another value of the same form can stand in all its places: what then remains
to be learned is the copying. Only supervised steps use this; rewards are given on recorded values alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from firefly_mcp.jsonio import JsonObject, dumps, loads, text
from firefly_mcp.observe import walk
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_train.demonstrations import Demonstration

_SHORTEST = 2
_KEPT = 0.15
"""The share of variations that keep the recorded values."""
_KNOWN = 0.4
"""The share of other words that are words."""


class Variations:
    """Makes variations out of the words that the demonstrations' own values are made of."""

    def __init__(self, demonstrations: Iterable[Demonstration]) -> None:
        """Gather the words."""
        words = {
            word
            for shown in demonstrations
            for value in _values(shown)
            if isinstance(value, str)
            for word in re.findall(r"[^\W\d_]{3,}", value)
        }
        self._words: list[str] = sorted(words)

    def of(self, shown: Demonstration, rng: random.Random) -> Demonstration:
        """One variation; the same ``rng`` state gives the same one."""
        tools = _other_tools(shown, rng)
        if rng.random() < _KEPT:
            return replace(shown, tools=tools)
        return replace(shown, tools=tools, messages=self._renamed(shown, rng))

    def _renamed(self, shown: Demonstration, rng: random.Random) -> list[JsonObject]:
        fixed = shown.messages[0]["content"] + text([entry["function"]["name"] for entry in shown.tools])
        spoken = [text(_content(message)) for message in shown.messages[1:]]
        swaps: dict[str, str] = {}
        for value in sorted({str(value) for value in _values(shown)}, key=lambda value: (-len(value), value)):
            place = _bounded(value)
            if place.search(fixed) or sum(bool(place.search(said)) for said in spoken) < _SHORTEST:
                continue
            other = self._other(value, rng)
            if other != value and other not in swaps.values() and not any(other in said for said in spoken):
                swaps[value] = other
        if not swaps:
            return shown.messages
        pattern = re.compile("|".join(_bounded(value).pattern for value in swaps))
        return [shown.messages[0], *(_swapped(message, pattern, swaps) for message in shown.messages[1:])]

    def _word(self, rng: random.Random) -> str:
        """A word, or as often the beginning of one and the end of another: of words never seen only pieces are known."""
        first = rng.choice(self._words)
        if rng.random() < _KNOWN:
            return first
        second = rng.choice(self._words)
        return first[: rng.randint(1, len(first))] + second[rng.randint(0, len(second) - 2) :]

    def _other(self, value: str, rng: random.Random) -> str:
        """Another value of the same form: other digits, other words, other codes of one to three capital letters."""

        def digits(match: re.Match[str]) -> str:
            run = match[0]
            first = "0" if run[0] == "0" else rng.choice("123456789")
            return first + "".join(rng.choice("0123456789") for _ in run[1:])

        def word(match: re.Match[str]) -> str:
            old, new = str(match[0]), self._word(rng)
            return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new.lower()

        def code(match: re.Match[str]) -> str:
            return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in match[0])

        coded = re.sub(r"(?<![^\W_])[A-Z]{1,3}(?![^\W_])", code, value)
        worded = re.sub(r"[^\W\d_]{3,}", word, coded) if self._words and coded == value else coded
        return re.sub(r"\d+", digits, worded)


def _values(shown: Demonstration) -> list[Any]:
    """What the model has to write: values of calls and of the answer, but for what is too short or oddly written to swap."""
    found = []
    for message in shown.messages:
        for call in message.get("tool_calls") or ():
            for _, value in walk(call["function"]["arguments"]):
                plain = isinstance(value, str | int | float) and not isinstance(value, bool)
                if plain and len(str(value)) >= _SHORTEST and re.fullmatch(r"[\w .,:@/+&'-]+", str(value)):
                    found.append(value)
    return found


def _content(message: JsonObject) -> Any:
    calls = message.get("tool_calls")
    return [call["function"]["arguments"] for call in calls] if calls else message["content"]


def _bounded(value: str) -> re.Pattern[str]:
    """The value as a whole: not inside a longer word or number."""
    return re.compile(rf"(?<![\w.-]){re.escape(value)}(?![\w-]|\.\d)")


def _swapped(message: JsonObject, pattern: re.Pattern[str], swaps: dict[str, str]) -> JsonObject:
    def swap(said: str) -> str:
        return pattern.sub(lambda match: swaps[match[0]], said)

    if not message.get("tool_calls"):
        return {**message, "content": swap(message["content"])}
    calls = []
    for call in message["tool_calls"]:
        function = call["function"]
        # On the JSON text, so that numbers are swapped too; a swap keeps a number a number.
        written = swap(dumps(function["arguments"]).decode())
        calls.append({**call, "function": {**function, "arguments": loads(written.encode())}})
    return {**message, "tool_calls": calls}


def _other_tools(shown: Demonstration, rng: random.Random) -> list[JsonObject]:
    """The tools in another order, some that the plan does not need left out; the answer channel stays last."""
    called = {call["function"]["name"] for message in shown.messages for call in message.get("tool_calls") or ()}
    needed = [entry for entry in shown.tools if _name(entry) in called and _name(entry) != ANSWER_TOOL]
    spare = [entry for entry in shown.tools if _name(entry) not in called]
    mixed = [*needed, *rng.sample(spare, rng.randint(0, len(spare)))]
    rng.shuffle(mixed)
    return [*mixed, *(entry for entry in shown.tools if _name(entry) == ANSWER_TOOL)]


def _name(entry: JsonObject) -> str:
    return str(entry["function"]["name"])
