"""Walks over a server: made as they go from what it answered, then repeated in any order with the values of each repetition.

A walk remembers where an argument came from (which call's answer, at which place), so that a client that repeats the walk uses
what *this* run's server answered, as an agent would, and falls back to the recorded value where the source did not answer.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.walk_servers import PROSE, WALKS

Path = tuple[str | int, ...]
_PROSE = "\0prose"


class Asks(Protocol):
    """A client's session: a raw JSON-RPC answer for a request."""

    async def request(self, method: str, params: dict[str, Any]) -> Any:
        """The answer without its id."""


@dataclass(frozen=True)
class Step:
    """One call of a walk; ``sources`` says of arguments from which step's answer, at which place, they were taken."""

    number: int
    tool: str
    arguments: dict[str, Any]
    sources: dict[str, tuple[int, Path]] = field(default_factory=dict)


def view(answer: Any) -> Any:
    """What an answer says: its structured content, the JSON of its text, or the text."""
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict):
        return answer
    if isinstance(result.get("structuredContent"), dict):
        return result["structuredContent"]
    texts = [part.get("text", "") for part in result.get("content") or [] if isinstance(part, dict)]
    try:
        return json.loads(texts[0])
    except (ValueError, IndexError):
        return "\n".join(texts)


async def wander(session: Asks, server: str, length: int, seed: int, work: str) -> tuple[list[Step], list[Any]]:
    """Walk ``length`` calls; gives the steps and the answers."""
    rng = random.Random(f"{server}{seed}")
    steps: list[Step] = []
    answers: list[Any] = []
    known: dict[str, list[tuple[Any, int, Path]]] = defaultdict(list)
    while len(steps) < length:
        tool, choices = rng.choice(WALKS[server])
        arguments: dict[str, Any] = {}
        sources: dict[str, tuple[int, Path]] = {}
        for name, options in choices.items():
            value = rng.choice(options)
            if isinstance(value, str) and value.startswith("@"):
                found = known.get(value[1:])
                if not found:
                    break
                value, source, path = rng.choice(found[-12:])
                sources[name] = (source, path)
            elif isinstance(value, str):
                value = value.replace("#", str(len(steps))).replace("{work}", work)
            arguments[name] = value
        else:
            step = Step(len(steps), tool, arguments, sources)
            answer = await session.request("tools/call", {"name": tool, "arguments": arguments})
            for key, value, path in _values(view(answer), server):
                known[key].append((value, step.number, path))
            steps.append(step)
            answers.append(answer)
    return steps, answers


async def repeat(session: Asks, steps: list[Step]) -> list[Any]:
    """Make the calls of a walk in the given order."""
    answers: dict[int, Any] = {}
    for step in steps:
        arguments = dict(step.arguments)
        for name, (source, path) in step.sources.items():
            value = _at(view(answers[source]), path) if source in answers else None
            if value is not None and not isinstance(value, dict | list):
                arguments[name] = value
        answers[step.number] = await session.request("tools/call", {"name": step.tool, "arguments": arguments})
    return [answers[step.number] for step in steps]


def shuffled(steps: list[Step], number: int, seed: int) -> list[Step]:
    """The ``number``-th reordering: by turns of a few neighbours, of stretches of twenty, and of everything."""
    rng = random.Random(f"shuffle{seed}{number}")
    order = list(steps)
    kind = number % 3
    if kind == 0:
        for place in range(0, len(order) - 1, 2):
            if rng.random() < 0.05:
                order[place], order[place + 1] = order[place + 1], order[place]
    elif kind == 1:
        stretches = [order[at : at + 20] for at in range(0, len(order), 20)]
        rng.shuffle(stretches)
        order = [step for stretch in stretches for step in stretch]
    else:
        rng.shuffle(order)
    return order


def _values(value: Any, server: str) -> Iterator[tuple[str, Any, Path]]:
    """The scalars of an answer by key, with their places; for prose what the server's pattern finds, under the empty key."""
    if isinstance(value, str) and server in PROSE:
        for number, found in enumerate(re.finditer(PROSE[server], value)):
            yield "", found[1], (_PROSE, PROSE[server], number)
    else:
        yield from _scalars(value, "", ())


def _scalars(value: Any, key: str, path: Path) -> Iterator[tuple[str, Any, Path]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _scalars(item, name, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _scalars(item, key, (*path, number))
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield key, value, path


def _at(value: Any, path: Path) -> Any:
    if path[:1] == (_PROSE,):
        found = [match[1] for match in re.finditer(str(path[1]), value)] if isinstance(value, str) else []
        return found[int(path[2])] if int(path[2]) < len(found) else None
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
