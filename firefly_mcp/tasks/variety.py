"""Does a field of a tool's result depend on what was asked? A value that every call returns is a constant: it proves nothing
about a call, and asking for it asks for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from firefly_mcp.canonical import canonical_json
from firefly_mcp.observe import View, is_success, json_path, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.types import Call, ToolKey

LEAVES = 400
SEEN_ENOUGH = 2

Place = tuple[ToolKey, str]


class Variety:
    """For each field of each tool's results, how many distinct values distinct calls returned."""

    def __init__(self, calls: Iterable[Call]) -> None:
        """Count over successful calls; list places are taken together."""
        self._values: dict[Place, set[bytes]] = defaultdict(set)
        self._asked: dict[Place, set[str]] = defaultdict(set)
        self._known: set[str] = set()
        for call in calls:
            if call.tool is None or call.result is None or not is_success(call):
                continue
            # The same call with the same answer tells nothing new.
            identity = f"{call.args_hash}{call.result_hash}"
            if identity not in self._known:
                self._known.add(identity)
                self._count(call, result_view(call.result))

    def _count(self, call: Call, view: View) -> None:
        if view.kind not in ("structured", "json"):
            return
        for number, (steps, value) in enumerate(walk(view.value)):
            if number >= LEAVES:
                return
            if not isinstance(value, dict | list):
                place = (call.key, _general(steps))
                self._values[place].add(canonical_json(value))
                self._asked[place].add(call.args_hash)

    def constant(self, key: ToolKey, steps: tuple[Step, ...]) -> bool:
        """Whether distinct calls all returned one value here. False where only one call was seen."""
        place = (key, _general(steps))
        return len(self._asked[place]) >= SEEN_ENOUGH and len(self._values[place]) == 1

    def share(self, key: ToolKey, steps: tuple[Step, ...]) -> float:
        """Distinct values for each distinct call, at most 1."""
        place = (key, _general(steps))
        return min(1.0, len(self._values[place]) / max(1, len(self._asked[place])))


def _general(steps: tuple[Step, ...]) -> str:
    return json_path(tuple("*" if isinstance(step, int) else step for step in steps))
