"""Build the tool graph from tool definitions and recorded calls. Deterministic: the same recording gives the same graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from firefly_mcp.graph.evidence import flow_evidence
from firefly_mcp.graph.fields import ACROSS_SERVERS, NO_PRODUCER, format_fit, match_fields, type_fit
from firefly_mcp.graph.model import Edge, EdgeKey, ToolGraph
from firefly_mcp.graph.ports import Input, Output, fields_by_tool, iter_ports
from firefly_mcp.graph.score import score_of
from firefly_mcp.graph.similarity import Described, Embeds, Floats, Ints, by_embedder, by_words
from firefly_mcp.graph.words import name_words, nouns, produces, text_words
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import Call, Tool

MIN_SCHEMA_FIT = 0.45
MIN_SIMILARITY = 0.4
KEEP = 6
"""Sources kept for each argument and kind of evidence."""


def build_graph(
    tools: Iterable[Tool],
    calls: Iterable[Call],
    *,
    seed: int = 0,
    judgements: Mapping[EdgeKey, JsonObject] | None = None,
    embedder: Embeds | None = None,
) -> ToolGraph:
    """The tool graph of ``tools``, with the evidence of ``calls``.

    Args:
        tools: the latest snapshots.
        calls: recorded calls, replays left out (``queries.calls(..., evidence_only=True)``).
        seed: of the shuffles that estimate the false-flow rate.
        judgements: what a model said of edges that it was asked about, ``{level: high|medium|low, …}``.
        embedder: compares descriptions; words are compared where there is none.
    """
    ordered = sorted({tool.key: tool for tool in tools}.values(), key=lambda tool: tool.key)
    tool_calls = [call for call in calls if call.tool is not None]
    evidence: dict[EdgeKey, dict[str, JsonObject]] = defaultdict(dict)
    for key, flow in flow_evidence(tool_calls, {tool.key: tool for tool in ordered}, seed=seed).items():
        evidence[key].update(flow)
    ports = list(iter_ports(ordered, fields_by_tool(tool_calls)))
    outputs = [output for found, _ in ports for output in found]
    inputs = [entry for _, found in ports for entry in found]
    _add_schema(evidence, ordered, inputs, outputs)
    _add_descriptions(evidence, ordered, inputs, outputs, embedder)
    for key, judgement in (judgements or {}).items():
        if key in evidence:
            evidence[key]["judgement"] = judgement
    edges = (Edge(*key, score_of(found), found) for key, found in evidence.items())
    return ToolGraph(ordered, (edge for edge in edges if edge.score > 0))


def _add_schema(
    evidence: dict[EdgeKey, dict[str, JsonObject]], tools: Sequence[Tool], inputs: Sequence[Input], outputs: Sequence[Output]
) -> None:
    worth = _producers(tools)
    for match in match_fields(inputs, outputs, tools, worth, least=MIN_SCHEMA_FIT, keep=KEEP):
        entry, output = inputs[match.row], outputs[match.port]
        evidence[tools[match.tool].key, tools[entry.tool].key, entry.argument]["schema"] = {
            "fit": match.fit,
            "name": round(match.name, 4),
            "type": round(type_fit(output.type, entry.type), 4),
            "format": round(format_fit(output.format, entry.format), 4),
            "regex" if output.path.startswith("(?m)") else "path": output.path,
        }


def _add_descriptions(
    evidence: dict[EdgeKey, dict[str, JsonObject]],
    tools: Sequence[Tool],
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    embedder: Embeds | None,
) -> None:
    described = _by_embedder(embedder, tools, inputs, outputs) if embedder else _by_words(tools, inputs, outputs)
    names = {name: number for number, name in enumerate(dict.fromkeys(tool.server for tool in tools))}
    servers: Ints = np.array([names[tool.server] for tool in tools], dtype=np.int64)
    targets: Ints = np.array([entry.tool for entry in inputs], dtype=np.int64)
    worth = _producers(tools).astype(np.float32)

    def near(first: int, last: int) -> Floats:
        """1 within a server and less across servers, less for tools that give nothing back, 0 for the tool itself."""
        own = targets[first:last]
        factor = np.where(servers[own][:, None] == servers[None, :], np.float32(1.0), np.float32(ACROSS_SERVERS)) * worth
        factor[np.arange(len(own)), own] = 0.0
        return np.asarray(factor, dtype=np.float32)

    best = described.best(near, least=MIN_SIMILARITY, keep=KEEP)
    found = {
        (tools[tool].key, tools[inputs[row].tool].key, inputs[row].argument): round(fit, 4)
        for row, tool, fit in zip(best.row.tolist(), best.tool.tolist(), best.fit.tolist(), strict=True)
    }
    # Edges that stand on other evidence tell their similarity as well, whatever it is.
    numbers = {tool.key: number for number, tool in enumerate(tools)}
    rows = {(tools[entry.tool].key, entry.argument): row for row, entry in enumerate(inputs)}
    others = [key for key in evidence if key not in found and (key[1], key[2]) in rows]
    at_row: Ints = np.array([rows[key[1], key[2]] for key in others], dtype=np.int64)
    at_tool: Ints = np.array([numbers[key[0]] for key in others], dtype=np.int64)
    cosines = described.similarity(at_row, at_tool) * worth[at_tool]
    cosines *= np.where(servers[at_tool] == servers[targets[at_row]], 1.0, ACROSS_SERVERS).astype(np.float32)
    found.update(zip(others, np.round(cosines, 4).tolist(), strict=True))
    for key, similarity in found.items():
        if similarity > 0:
            evidence[key]["description"] = {"similarity": round(similarity, 4)}


def _producers(tools: Sequence[Tool]) -> NDArray[np.float64]:
    return np.array([1.0 if produces(tool.name) else NO_PRODUCER for tool in tools])


def _by_words(tools: Sequence[Tool], inputs: Sequence[Input], outputs: Sequence[Output]) -> Described:
    fields: dict[int, list[str]] = defaultdict(list)
    for output in outputs:
        fields[output.tool] += [*output.words, *text_words(output.description, limit=12)]
    sources = [
        [*nouns(tool.name), *nouns(tool.name), *text_words(f"{tool.title} {tool.description}"), *fields[number][:60]]
        for number, tool in enumerate(tools)
    ]
    targets = [[*entry.words, *entry.words, *entry.words, *text_words(entry.description, limit=40)] for entry in inputs]
    return by_words(sources, targets)


def _by_embedder(embedder: Embeds, tools: Sequence[Tool], inputs: Sequence[Input], outputs: Sequence[Output]) -> Described:
    fields: dict[int, list[str]] = defaultdict(list)
    for output in outputs:
        fields[output.tool].append(" ".join(output.words))
    sources = [
        f"{' '.join(name_words(tool.name))}. {tool.description[:300]} Returns {', '.join(dict.fromkeys(fields[number][:40]))}."
        for number, tool in enumerate(tools)
    ]
    targets = [f"{' '.join(entry.words)}. {entry.description[:300]}" for entry in inputs]
    return by_embedder(embedder, sources, targets)
