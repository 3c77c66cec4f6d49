"""Held-out tool edges of ComplexFuncBench: what a graph built on some requests says of the data flow in others.

Requests come in groups of ten that were made from one pattern; whole groups go to the one half or the other. A graph built
from the calls of one half ranks every possible edge (4,329 of source, target and argument); the truth are the edges of the
other half.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.booking import Booking, call_id
from benchmarks.graph_flow import read_labels
from firefly_mcp.graph import EdgeKey, ToolGraph, build_graph
from firefly_mcp.graph.ports import fields_by_tool, iter_ports
from firefly_mcp.graph.score import FITTED, Coefficients, score_of, strength
from firefly_mcp.graph.similarity import Embeds
from firefly_mcp.observe import flows, pointer_steps
from firefly_mcp.schemas import properties
from firefly_mcp.types import Call

_GROUP = 10
KINDS = ("flow", "echo", "schema", "description")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Some of the requests: their calls, the edges of their written references, and those over which values were seen to go."""

    groups: frozenset[int]
    calls: list[Call]
    written: frozenset[EdgeKey]
    seen: frozenset[EdgeKey]


def part(data: Booking, groups: Iterable[int]) -> Part:
    """The requests of these groups."""
    chosen = frozenset(groups)
    keys = {call.id: call.key for call in data.calls}
    calls = [call for call in data.calls if (call.session - 1) // _GROUP in chosen]
    written = {
        (keys[call_id(ref.request, ref.source)], keys[call_id(ref.request, ref.target)], pointer_steps(ref.argument)[0])
        for ref in data.references
        if ref.request // _GROUP in chosen
    }
    found = {
        (keys[flow.source], keys[flow.target], pointer_steps(flow.argument)[0])
        for flow in flows(calls, tools={tool.key: tool for tool in data.tools})
    }
    return Part(chosen, calls, *(frozenset(key for key in edges if key[0] != key[1]) for edges in (written, written | found)))


def halves(groups: Iterable[int], seed: int) -> tuple[list[int], list[int]]:
    """The groups in two halves, by seed."""
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    return sorted(order[: len(order) // 2]), sorted(order[len(order) // 2 :])


def measure(data: Booking, *, seed: int = 0, fitted: Coefficients = FITTED, embedders: Mapping[str, Embeds]) -> dict[str, Any]:
    """Average precision on the test half, of each evidence, of the baselines and of the combination."""
    count = len(data.requests) // _GROUP
    fit_groups, test_groups = halves(range(count), seed)
    known, test = part(data, fit_groups), part(data, test_groups)
    graph = build_graph(data.tools, known.calls)
    rankings: dict[str, dict[EdgeKey, float]] = {kind: {} for kind in KINDS}
    for edge in graph.edges:
        for kind, found in edge.evidence.items():
            rankings[kind][edge.key] = strength(kind, found)
    rankings["name match"] = _name_match(data, known.calls)
    for name, embedder in embedders.items():
        rankings[f"embedding ({name})"] = _embedded(data, known.calls, embedder)
    rankings["combination"] = {edge.key: score_of(edge.evidence, fitted) for edge in graph.edges}
    universe = [
        (source.key, target.key, argument)
        for source in data.tools
        for target in data.tools
        for argument in properties(target.input_schema)
        if source.key != target.key
    ]
    return {
        "seed": seed,
        "edges": {"written": len(test.written), "written or seen": len(test.seen), "possible": len(universe)},
        "unseen_before": len(test.written - known.seen),
        "average_precision": {
            name: {
                "written": round(average_precision(ranking, test.written, universe), 4),
                "written or seen": round(average_precision(ranking, test.seen, universe), 4),
            }
            for name, ranking in rankings.items()
        },
    }


def average_precision(ranking: Mapping[EdgeKey, float], truth: Iterable[EdgeKey], universe: list[EdgeKey]) -> float:
    """The area under precision over recall; what is ranked the same is taken together, so that no order of ties helps."""
    wanted = set(truth)
    scores = np.array([ranking.get(key, 0.0) for key in universe])
    true = np.array([key in wanted for key in universe])
    order = np.argsort(-scores, kind="stable")
    scores, true = scores[order], true[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(true)[ends]
    return float(np.sum(np.diff(np.append(0, hits)) * hits / (ends + 1)) / max(1, len(wanted)))


def fit(data: Booking, *, seed: int = 0) -> Coefficients:
    """The coefficients of :mod:`firefly_mcp.graph.score`, from the fit half alone."""
    groups, _ = halves(range(len(data.requests) // _GROUP), seed)
    whole = part(data, groups)
    rows, labels = _text_rows(build_graph(data.tools, []), whole.seen)
    passed: list[tuple[float, bool]] = []
    for inner in range(2):
        one, other = (part(data, half) for half in halves(groups, inner))
        for known, later in ((one, other), (other, one)):
            graph = build_graph(data.tools, known.calls)
            passed += [
                (strength("echo", edge.evidence["echo"]), edge.key in later.seen)
                for edge in graph.edges
                if "echo" in edge.evidence and "flow" not in edge.evidence
            ]
    intercept, schema, description = _regression(rows, labels)
    likely = labels[intercept + rows @ np.array([schema, description]) > 0]
    mine = [line["true"] for line in read_labels() if line["request"] // _GROUP in whole.groups]
    echo = (sum(true for _, true in passed) + 1) / (sum(says for says, _ in passed) + 2)
    return Coefficients(
        intercept=round(intercept, 2),
        schema=round(schema, 2),
        description=round(description, 2),
        text=round((float(likely.sum()) + 1) / (len(likely) + 2), 2),
        flow=round((sum(mine) + 1) / (len(mine) + 2), 2),
        echo=round(echo, 2),
    )


def _text_rows(graph: ToolGraph, truth: frozenset[EdgeKey]) -> tuple[Floats, Floats]:
    edges = [edge for edge in graph.edges if "schema" in edge.evidence or "description" in edge.evidence]
    rows = [
        [strength(kind, edge.evidence[kind]) if kind in edge.evidence else 0.0 for kind in ("schema", "description")]
        for edge in edges
    ]
    return np.array(rows), np.array([float(edge.key in truth) for edge in edges])


def _regression(rows: Floats, labels: Floats) -> tuple[float, float, float]:
    """Logistic regression by Newton's method with a little ridge; slopes are not negative in these data."""
    design = np.hstack([np.ones((len(rows), 1)), rows])
    weights = np.zeros(3)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (chance - labels) + np.array([0, 1e-2, 1e-2]) * weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag([0, 1e-2, 1e-2])
        weights -= np.linalg.solve(curve, slope)
    intercept, schema, description = (float(value) for value in weights)
    if not (math.isfinite(intercept) and schema >= 0 and description >= 0):
        raise RuntimeError(f"the regression gave {intercept}, {schema}, {description}")
    return intercept, schema, description


def _name_match(data: Booking, calls: list[Call]) -> dict[EdgeKey, float]:
    """The baseline of equal names: an output field that is called as the argument is, letters and digits alone compared."""
    ports = list(iter_ports(data.tools, fields_by_tool(calls)))
    names = [{_plain(output.path.rpartition(".")[2]) for output in outputs} for outputs, _ in ports]
    return {
        (source.key, target.key, argument): 1.0
        for target in data.tools
        for argument in properties(target.input_schema)
        for number, source in enumerate(data.tools)
        if source.key != target.key and _plain(argument) in names[number]
    }


def _embedded(data: Booking, calls: list[Call], embedder: Embeds) -> dict[EdgeKey, float]:
    """The baseline of embeddings: cosine of an argument's and a tool's whole description, every pair."""
    ports = list(iter_ports(data.tools, fields_by_tool(calls)))
    sources = embedder.embed(
        [
            f"{tool.name}: {tool.description} Returns {', '.join(output.path for output in ports[number][0][:40])}"
            for number, tool in enumerate(data.tools)
        ]
    )
    found: dict[EdgeKey, float] = {}
    for target in data.tools:
        arguments = properties(target.input_schema)
        texts = [f"{target.name}: {name}. {own.get('description', '')}" for name, own in arguments.items()]
        cosines = np.asarray(embedder.embed(texts) @ sources.T)
        for row, argument in enumerate(arguments):
            for number, source in enumerate(data.tools):
                if source.key != target.key:
                    found[source.key, target.key, argument] = float(cosines[row, number])
    return found


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
