"""A scenario: the calls of one short session, decided beforehand, with the places that live answers fill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from firefly_agents.offline.seen import group_of
from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import json_path, result_text, result_view, walk
from firefly_mcp.observe.values import value_key
from firefly_mcp.types import ToolKey

_LEAVES = 5000


@dataclass(frozen=True)
class Take:
    """A value that an argument takes from an earlier answer of the session.

    Attributes:
        pointer: the argument, as a JSON pointer.
        source: the number of the move that returns the value.
        path: where it stood when it was seen; a place of the same group is taken where nothing stands there now.
        regex: where the answer is prose, what finds it.
        value: the value itself, where only this one will do.
        most: the greatest number that the argument may be given, None for any.
    """

    pointer: str
    source: int
    path: str = ""
    regex: str = ""
    value: Any = None
    most: float | None = None


@dataclass(frozen=True)
class Move:
    """One call: its tool, its arguments, and which of them are filled from earlier answers.

    ``vital`` says that nothing after it makes sense unless it succeeds.
    """

    tool: ToolKey
    arguments: JsonObject
    takes: tuple[Take, ...] = ()
    vital: bool = False


@dataclass(frozen=True)
class Scenario:
    """What one session shall do; ``kind`` is ``stateful``, ``crossing``, ``lone`` or ``neighbours``."""

    kind: str
    moves: tuple[Move, ...]
    labels: tuple[tuple[str, Any], ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers that take part, in the order of their first calls."""
        return tuple(dict.fromkeys(move.tool.server for move in self.moves))

    @property
    def key(self) -> str:
        """The session's name: what it does, in short, so that none is held twice."""
        body = [
            [*move.tool, move.arguments, [[take.pointer, take.source, take.path, take.regex] for take in move.takes]]
            for move in self.moves
        ]
        return f"compose-{self.kind}-{hash_json(body).rpartition(':')[2][:12]}"


def taken(take: Take, result: JsonObject) -> Any | None:
    """The value that ``take`` finds in a live answer, or None where there is none."""
    if take.regex:
        found = re.search(take.regex, result_text(result))
        return (
            take.value
            if found is None and take.value is not None and str(take.value) in result_text(result)
            else (found and (found[1] if found.groups() else found[0]))
        )
    view = result_view(result)
    if view.kind == "text":
        return take.value if take.value is not None and str(take.value) in view.value else None
    wanted, group = value_key(take.value), group_of(take.path)
    near: Any = None
    for number, (steps, value) in enumerate(walk(view.value)):
        if number > _LEAVES:
            break
        if isinstance(value, dict | list) or value is None or isinstance(value, bool):
            continue
        if wanted is not None:
            if value_key(value) == wanted:
                return take.value
            continue
        path = json_path(steps)
        if path == take.path:
            return value
        if near is None and group_of(path) == group:
            near = value
    return near


def scalars_at(arguments: Any) -> Iterator[tuple[str, Any]]:
    """The scalar arguments with their exact JSON pointers."""
    from firefly_mcp.observe import json_pointer

    for steps, value in walk(arguments):
        if steps and not isinstance(value, dict | list) and value is not None:
            yield json_pointer(steps), value
