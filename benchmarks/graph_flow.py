"""Flows found in ComplexFuncBench: against its written references, against shuffled responses, and against labels by hand."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.booking import Booking, call_id
from firefly_mcp.graph.evidence import shuffle_results
from firefly_mcp.observe import Flow, flows
from firefly_mcp.types import Call, Tool, ToolKey

LABELS = Path(__file__).parent / "data" / "booking_flows.jsonl"
DRAWN = 200
SEED = 2026


def measure(data: Booking) -> dict[str, Any]:
    """Recall of written references, false-flow rates and precision."""
    tools = {tool.key: tool for tool in data.tools}
    found = flows(data.calls, tools=tools, echoes=True)
    credited = [flow for flow in found if not flow.echo]
    return {
        "references": len(data.references),
        "flows": len(credited),
        "passed_on": len(found) - len(credited),
        "recall": round(_recall(data, found), 4),
        "recall_of_first_sources": round(_recall(data, credited), 4),
        "false_rate": _false_rates(data, tools, len(found)),
        **_precision(data, credited),
    }


def _recall(data: Booking, found: list[Flow]) -> float:
    """The share of written references whose producer is among the sources found for that very argument."""
    sources: dict[tuple[int, str], set[int]] = defaultdict(set)
    for flow in found:
        sources[flow.target, flow.argument].add(flow.source)
    hits = sum(
        call_id(ref.request, ref.source) in sources[call_id(ref.request, ref.target), ref.argument] for ref in data.references
    )
    return hits / len(data.references)


def _false_rates(data: Booking, tools: dict[ToolKey, Tool], observed: int) -> dict[str, float]:
    """Flows found when responses are dealt out anew, as a share of those found: over all calls, and within each tool.

    Within a tool is the harder test, and not all that it counts is false: a menu such as a list of filters is the same in every
    answer of its tool.
    """
    rates = {}
    for name, per_tool in (("all_calls", False), ("within_tool", True)):
        counts = []
        for seed in range(3):
            calls = _by_tool(data.calls) if per_tool else data.calls
            shuffled = shuffle_results(calls, random.Random(seed))
            shuffled = [replace(call, server=data.calls[at].server) for at, call in enumerate(shuffled)]
            counts.append(len(flows(shuffled, tools=tools, echoes=True)))
        rates[name] = round(sum(counts) / len(counts) / observed, 4)
    return rates


def _by_tool(calls: list[Call]) -> list[Call]:
    """The calls as if each tool were a server of its own: responses are dealt out within servers."""
    return [replace(call, server=f"{call.server}/{call.tool}") for call in calls]


def _precision(data: Booking, credited: list[Flow]) -> dict[str, Any]:
    """The share of true flows among those drawn; each was read with its two calls, the response and the request."""
    labels = {_identity(line): bool(line["true"]) for line in read_labels()}
    drawn = draw(credited)
    known = [labels[place] for place in drawn if place in labels]
    return {
        "labelled": len(known),
        "unlabelled": len(drawn) - len(known),
        "precision": round(sum(known) / len(known), 4) if known else None,
    }


def draw(credited: list[Flow]) -> list[tuple[Any, ...]]:
    """The flows to be labelled: 200 of all, by seed."""
    ordered = sorted(credited, key=lambda flow: (flow.target, flow.argument, flow.source))
    chosen = sorted(random.Random(SEED).sample(range(len(ordered)), min(DRAWN, len(ordered))))
    return [
        ((flow.source - 1) // 100, flow.source % 100 - 1, flow.target % 100 - 1, flow.path, flow.argument)
        for flow in (ordered[at] for at in chosen)
    ]


def read_labels() -> list[dict[str, Any]]:
    """The labels of the repository."""
    return [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]


def _identity(line: dict[str, Any]) -> tuple[Any, ...]:
    return (line["request"], line["source"], line["target"], line["path"], line["argument"])
