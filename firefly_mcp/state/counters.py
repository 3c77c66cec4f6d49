"""Numbers in a server's answers that grow with its calls: ids that count up, clocks of its own, tallies of all that was asked.

A call that moves such a number affects every call whose answer tells it, a reading call too. What moves it is found from the
steps between answers: each is the sum of what the calls in between (and the call itself) add. Where the steps determine that
sum (more steps than tools, and every one of them explained exactly), the tools that add something are known; where a number
grows by the same step with every call whatever it is, a few answers are enough.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from firefly_mcp.jsonio import text
from firefly_mcp.state.effects import PROTOCOL_READS
from firefly_mcp.types import Call, CallStatus, ToolKey

_CALLS = 400
"""Calls of one session on one server that are looked at."""
_SCALARS = 300
"""Numbers of one answer that are looked at."""
_TEXT = 65_536
_FEWEST = 4
_INTEGER = re.compile(r"\A(.{0,120}?)(?<!\d)(\d{1,12})(\D{0,40})\Z", re.DOTALL)
_EXACT = 1e-6
_NEAR = 2 * 86400.0
"""Seconds by which a clock may be off the time of the call."""

Movers = dict[ToolKey, dict[str, frozenset[ToolKey]]]
"""By tool, by the place in its answer: the tools whose calls move the number there."""


class _Point(NamedTuple):
    place: int
    key: ToolKey
    value: int
    asked: str


def view(result: Any) -> Any:
    """What a result says: its structured content, the JSON of its one text, or the text."""
    if not isinstance(result, dict):
        return result
    if isinstance(result.get("structuredContent"), dict):
        return result["structuredContent"]
    texts = [part.get("text") for part in result.get("content") or [] if isinstance(part, dict)]
    if len(texts) == 1 and isinstance(texts[0], str) and texts[0].lstrip()[:1] in ("{", "["):
        try:
            return json.loads(texts[0])
        except (ValueError, RecursionError):
            return texts[0]
    return texts[0] if len(texts) == 1 else texts


def near_clock(value: float, called_at: float) -> bool:
    """Whether a number is the time of a call, in seconds or a smaller unit; a clock of the server's own may be no such time."""
    return any(abs(value / unit - called_at) < _NEAR for unit in (1, 1e3, 1e6, 1e9))


def movers(calls: Sequence[Call], result_of: Callable[[Call], Any]) -> Movers:
    """The counting numbers in one session's calls of one server, in order, and what moves them."""
    series: dict[tuple[str, str, str], list[_Point]] = defaultdict(list)
    taken = [call for call in calls[:_CALLS] if call.key.tool not in PROTOCOL_READS]
    if any(call.overlaps for call in taken):
        return {}
    for index, call in enumerate(taken):
        if call.status == CallStatus.DONE and call.result_hash is not None:
            asked = text(call.params)
            for place, before, value, after in _numbers(view(result_of(call))):
                if str(value) in asked or near_clock(value, call.started_at):  # what the client said itself, or the time
                    continue
                series[(place, before, after)].append(_Point(index, call.key, value, call.args_hash))
    keys = [call.key for call in taken]
    found: Movers = defaultdict(dict)
    for (place, _, _), points in series.items():
        groups = [points]
        if len({point.key for point in points}) > 1:
            groups += [[point for point in points if point.key == key] for key in dict.fromkeys(p.key for p in points)]
        for group in groups:
            moving = _moving(group, keys)
            if moving:
                for key in {point.key for point in group}:
                    found[key][place] = found[key].get(place, frozenset()) | moving
    return dict(found)


def _moving(points: Sequence[_Point], keys: Sequence[ToolKey]) -> frozenset[ToolKey]:
    """The tools whose calls move the number of a series; empty when that cannot be told, or when it stands still.

    An answer may as well tell an old value that was kept (when something was made): only new heights count. And it may be no
    count at all but what the arguments come to: some call must have been repeated and have got another number.
    """
    first: dict[tuple[ToolKey, str], int] = {}
    if all(first.setdefault((point.key, point.asked), point.value) == point.value for point in points):
        return frozenset()
    heights: list[_Point] = []
    for point in points:
        if not heights or point.value > heights[-1].value:
            heights.append(point)
    steps = list(itertools.pairwise(heights))
    if len(heights) < _FEWEST:
        return frozenset()
    gaps = {two.place - one.place for one, two in steps}
    if len(gaps) > 1 and len({(two.value - one.value) / (two.place - one.place) for one, two in steps}) == 1:
        return frozenset(keys)
    between = [keys[one.place + 1 : two.place + 1] for one, two in steps]
    tools = sorted({key for part in between for key in part})
    if len(steps) < len(tools) + 2:
        return frozenset()
    counts = np.array([[part.count(tool) for tool in tools] for part in between], dtype=float)
    grown = np.array([two.value - one.value for one, two in steps], dtype=float)
    weights, _, rank, _ = np.linalg.lstsq(counts, grown, rcond=None)
    if rank < len(tools) or np.abs(counts @ weights - grown).max() > _EXACT * max(1.0, np.abs(grown).max()):
        return frozenset()
    if (weights < -_EXACT).any():
        return frozenset()
    return frozenset(tool for tool, weight in zip(tools, weights, strict=True) if weight > _EXACT)


def _numbers(value: Any) -> Iterator[tuple[str, str, int, str]]:
    """The whole numbers in an answer, each with its place and the words around it."""
    left = _SCALARS
    stack: list[tuple[str, Any]] = [("", value)]
    while stack and left:
        place, item = stack.pop()
        if isinstance(item, dict):
            stack += [(f"{place}/{key.replace('~', '~0').replace('/', '~1')}", inner) for key, inner in item.items()]
        elif isinstance(item, list):
            stack += [(f"{place}/{number}", inner) for number, inner in enumerate(item[:20])]
        elif isinstance(item, int) and not isinstance(item, bool):
            left -= 1
            yield place, "", item, ""
        elif isinstance(item, str) and len(item) < _TEXT and (found := _INTEGER.match(item)):
            left -= 1
            yield place, found[1], int(found[2]), found[3]
