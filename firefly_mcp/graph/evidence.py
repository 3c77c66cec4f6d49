"""Flow evidence: values that were seen going from one tool's answers into another's arguments, and how often by chance."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from firefly_mcp.graph.model import EdgeKey
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import Flow, flows, pointer_steps, value_key
from firefly_mcp.types import Call, Tool, ToolKey

_SHUFFLES = 3
_MAX_PER_VALUE = 1.0
_DATA_STEP = re.compile(r"\[\d+\]|\.\w*\d{3}\w*|\['[^'\]]*\d{3}[^'\]]*'\]")


@dataclass
class _Seen:
    values: dict[object, float] = field(default_factory=dict)
    targets: set[int] = field(default_factory=set)
    paths: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)
    count: int = 0


def flow_evidence(
    calls: Sequence[Call], tools: Mapping[ToolKey, Tool], *, seed: int = 0
) -> dict[EdgeKey, dict[str, JsonObject]]:
    """Flow evidence by edge, of two kinds: ``flow``, and ``echo`` where the source only passed the values on.

    ``count`` flows into ``calls`` different calls; ``weight`` sums the informativeness of the *different* values that
    flowed, so that one value used again and again stays one observation; ``path`` (or ``regex``) is where they came from
    most often, ``at`` where they went. ``false_rate`` is the share that shuffling would explain: responses are dealt out
    anew among the calls of each server, several times, and flows are counted again; an edge's own count is drawn towards
    the rate of all edges together.
    """
    seen = _gather(calls, flows(calls, tools=tools, echoes=True), tools)
    if not seen:
        return {}
    by_chance: Counter[tuple[EdgeKey, str]] = Counter()
    rng = random.Random(seed)
    for _ in range(_SHUFFLES):
        shuffled = shuffle_results(calls, rng)
        for at, found in _gather(shuffled, flows(shuffled, tools=tools, echoes=True), tools).items():
            by_chance[at] += found.count
    observed = sum(found.count for found in seen.values())
    pooled = min(1.0, sum(by_chance[at] for at in seen) / _SHUFFLES / observed)
    evidence: dict[EdgeKey, dict[str, JsonObject]] = defaultdict(dict)
    for (key, kind), found in sorted(seen.items(), key=lambda item: item[0]):
        rate = min(1.0, (by_chance[key, kind] / _SHUFFLES + pooled) / (found.count + 1))
        source = found.paths.most_common(1)[0][0]
        evidence[key][kind] = {
            "count": found.count,
            "calls": len(found.targets),
            "values": len(found.values),
            "weight": round(sum(found.values.values()), 4),
            "false_rate": round(rate, 4),
            "regex" if source.startswith("(?m)") else "path": source,
            "at": found.at.most_common(1)[0][0],
        }
    return dict(evidence)


def _gather(calls: Iterable[Call], found: Iterable[Flow], tools: Mapping[ToolKey, Tool]) -> dict[tuple[EdgeKey, str], _Seen]:
    keys = {call.id: call.key for call in calls}
    seen: dict[tuple[EdgeKey, str], _Seen] = defaultdict(_Seen)
    for flow in found:
        source, target = keys[flow.source], keys[flow.target]
        steps = pointer_steps(flow.argument)
        if source == target or not steps or target not in tools or source not in tools:
            continue
        entry = seen[(source, target, steps[0]), "echo" if flow.echo else "flow"]
        value = value_key(flow.value)
        entry.count += 1
        entry.targets.add(flow.target)
        entry.values[value] = min(_MAX_PER_VALUE, max(entry.values.get(value, 0.0), flow.weight))
        entry.paths[_pattern(flow.path) if flow.path else flow.regex] += 1
        entry.at["/" + "/".join("*" if step.isdigit() else step for step in steps)] += 1
    return dict(seen)


def shuffle_results(calls: Sequence[Call], rng: random.Random) -> list[Call]:
    """The calls with the answers of each server dealt out anew, none to its own call where there are two or more."""
    by_server: dict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        if call.tool is not None and call.result is not None:
            by_server[call.server].append(index)
    shuffled = list(calls)
    for _, indices in sorted(by_server.items()):
        order = list(indices)
        rng.shuffle(order)
        # Each call takes the answer of the next one in a random ring: a uniform way to leave none in its place.
        for here, there in zip(order, [*order[1:], order[0]], strict=True):
            answer = calls[there] if len(order) > 1 else None
            result = answer.result if answer else None
            shuffled[here] = replace(calls[here], result=result, is_error=bool(answer and answer.is_error))
    return shuffled


def _pattern(path: str) -> str:
    """The path with any index, and any key that is data, as ``[*]``."""
    return _DATA_STEP.sub("[*]", path)
