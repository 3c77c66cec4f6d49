"""Does a field of a tool's result depend on what was asked? A value that every call returns is a constant: it proves nothing
about a call, and asking for it asks for nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from firefly_mcp.canonical import canonical_json
from firefly_mcp.observe import View, is_success, json_path, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.tasks.texts import Written, written_values
from firefly_mcp.types import Call, ToolKey

LEAVES = 400
SEEN_ENOUGH = 2
SEEN_OFTEN = 5
"""Of yes or no, none or one, so many calls with one answer show that it is always the same."""
COUNTED = 64
"""Distinct values and calls are counted up to so many for each field: what varies so much varies."""

Place = tuple[ToolKey, str]


class Variety:
    """For each field of each tool's results, how many distinct values distinct calls returned."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        """Count over successful calls; list places are taken together."""
        self._values: dict[Place, set[int]] = defaultdict(set)
        self._asked: dict[Place, set[int]] = defaultdict(set)
        self._known: set[int] = set()
        for call in calls:
            self.take(call)

    def take(self, call: Call) -> None:
        """Count one call more."""
        if call.tool is None or call.result is None:
            return
        # The same call with the same answer tells nothing new.
        identity = _number(f"{call.args_hash}{call.result_hash}".encode())
        if identity not in self._known and is_success(call):
            self._known.add(identity)
            self._count(call, result_view(call.result))

    def _count(self, call: Call, view: View) -> None:
        asked = _number(call.args_hash.encode())
        if view.kind == "text":
            for item in written_values(str(view.value)):
                self._note((call.key, _written_place(item)), canonical_json(item.value), asked)
        if view.kind not in ("structured", "json"):
            return
        for number, (steps, value) in enumerate(walk(view.value)):
            if number >= LEAVES:
                return
            if not isinstance(value, dict | list):
                self._note((call.key, _general(steps)), canonical_json(value), asked)

    def _note(self, place: Place, value: bytes, asked: int) -> None:
        values, calls = self._values[place], self._asked[place]
        if len(values) < COUNTED:
            values.add(_number(value))
        if len(calls) < COUNTED:
            calls.add(asked)

    def constant(self, key: ToolKey, steps: tuple[Step, ...]) -> bool:
        """Whether distinct calls all returned one value here. False where only one call was seen."""
        return self._is_constant((key, _general(steps)))

    def constant_text(self, key: ToolKey, written: Written) -> bool:
        """The same for a value in prose."""
        return self._is_constant((key, _written_place(written)))

    def _is_constant(self, place: Place) -> bool:
        asked, values = self._asked.get(place, ()), self._values.get(place, set())
        return len(values) == 1 and len(asked) >= (SEEN_OFTEN if values <= _BINARY else SEEN_ENOUGH)

    def share(self, key: ToolKey, steps: tuple[Step, ...]) -> float:
        """Distinct values for each distinct call, at most 1."""
        place = (key, _general(steps))
        return min(1.0, len(self._values.get(place, ())) / max(1, len(self._asked.get(place, ()))))


def _general(steps: tuple[Step, ...]) -> str:
    return json_path(tuple("*" if isinstance(step, int) else step for step in steps))


def _written_place(written: Written) -> str:
    return f"text:{written.label}:{bool(written.select.get('where'))}"


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


_BINARY = {_number(canonical_json(value)) for value in (True, False, 0, 1)}
