"""Build the tool graph from tool definitions and recorded calls. Deterministic: the same recording gives the same graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from firefly_mcp.graph.evidence import flow_evidence
from firefly_mcp.graph.model import Edge, EdgeKey, ToolGraph, score_of
from firefly_mcp.graph.ports import Input, Output, fields_by_tool, iter_ports
from firefly_mcp.graph.similarity import Floats, Ints, Vectors, best_fields, best_tools, format_fit, type_codes, type_fit
from firefly_mcp.graph.words import nouns, produces, text_words
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import Call, Tool

MIN_SCHEMA_FIT = 0.45
MIN_SIMILARITY = 0.4
KEEP = 6
"""Sources kept for each argument and kind of evidence."""
_ACROSS_SERVERS = 0.7
_NO_PRODUCER = 0.5


def build_graph(
    tools: Iterable[Tool],
    calls: Iterable[Call],
    *,
    seed: int = 0,
    judgements: Mapping[EdgeKey, str] | None = None,
) -> ToolGraph:
    """The tool graph of ``tools``, with the evidence of ``calls``.

    Args:
        tools: the latest snapshots.
        calls: recorded calls, replays left out (``queries.calls(..., evidence_only=True)``).
        seed: of the shuffles that estimate the false-flow rate.
        judgements: ``high``, ``medium`` or ``low`` for edges that a model was asked about.
    """
    ordered = sorted({tool.key: tool for tool in tools}.values(), key=lambda tool: tool.key)
    tool_calls = [call for call in calls if call.tool is not None]
    evidence: dict[EdgeKey, dict[str, JsonObject]] = defaultdict(dict)
    for key, flow in flow_evidence(tool_calls, {tool.key: tool for tool in ordered}, seed=seed).items():
        evidence[key]["flow"] = flow
    ports = list(iter_ports(ordered, fields_by_tool(tool_calls)))
    outputs = [output for found, _ in ports for output in found]
    inputs = [entry for _, found in ports for entry in found]
    _add_schema(evidence, ordered, inputs, outputs)
    _add_descriptions(evidence, ordered, inputs, outputs)
    for key, level in (judgements or {}).items():
        if key in evidence:
            evidence[key]["judgement"] = {"level": level}
    edges = (Edge(*key, score_of(found), found) for key, found in evidence.items())
    return ToolGraph(ordered, (edge for edge in edges if edge.score > 0))


class _Nearness:
    """A factor for each source tool and input: 0 for the same tool, 1 on the same server, less across servers."""

    def __init__(self, tools: Sequence[Tool], inputs: Sequence[Input]) -> None:
        names = {name: number for number, name in enumerate(dict.fromkeys(tool.server for tool in tools))}
        self._servers: Ints = np.array([names[tool.server] for tool in tools], dtype=np.int64)
        self._producers: Floats = np.array([1.0 if produces(tool.name) else _NO_PRODUCER for tool in tools], dtype=np.float32)
        self._targets: Ints = np.array([entry.tool for entry in inputs], dtype=np.int64)

    def __call__(self, first: int, last: int, sources: Ints) -> Floats:
        targets = self._targets[first:last]
        same = self._servers[targets][:, None] == self._servers[sources][None, :]
        factor = np.where(same, np.float32(1.0), np.float32(_ACROSS_SERVERS)) * self._producers[sources]
        factor[targets[:, None] == sources[None, :]] = 0.0
        return np.asarray(factor, dtype=np.float32)


def _add_schema(
    evidence: dict[EdgeKey, dict[str, JsonObject]], tools: Sequence[Tool], inputs: Sequence[Input], outputs: Sequence[Output]
) -> None:
    per_tool: dict[int, set[str]] = defaultdict(set)
    for number, words in [(port.tool, port.words) for port in inputs] + [(port.tool, port.words) for port in outputs]:
        per_tool[number].update(words)
    vectors = Vectors(per_tool.values())
    input_rows, output_rows = vectors.matrix([entry.words for entry in inputs]), vectors.matrix([out.words for out in outputs])
    best = best_fields(
        input_rows,
        output_rows,
        input_types=type_codes(entry.type for entry in inputs),
        output_types=type_codes(output.type for output in outputs),
        input_formats=[entry.format for entry in inputs],
        output_formats=[output.format for output in outputs],
        output_weights=np.array([output.weight for output in outputs], dtype=np.float32),
        output_tools=np.array([output.tool for output in outputs], dtype=np.int64),
        near=_Nearness(tools, inputs),
        keep=KEEP,
    )
    for row, column in np.argwhere(best.fit >= MIN_SCHEMA_FIT):
        entry, port = inputs[row], int(best.port[row, column])
        output = outputs[port]
        key = (tools[int(best.tool[row, column])].key, tools[entry.tool].key, entry.argument)
        evidence[key]["schema"] = {
            "fit": round(float(best.fit[row, column]), 4),
            "name": round(float(np.clip(input_rows[row] @ output_rows[port], 0, 1)), 4),
            "type": round(type_fit(output.type, entry.type), 4),
            "format": round(format_fit(output.format, entry.format), 4),
            "path": output.path,
        }


def _add_descriptions(
    evidence: dict[EdgeKey, dict[str, JsonObject]], tools: Sequence[Tool], inputs: Sequence[Input], outputs: Sequence[Output]
) -> None:
    fields: dict[int, list[str]] = defaultdict(list)
    for output in outputs:
        fields[output.tool] += [*output.words, *text_words(output.description, limit=12)]
    sources = [
        [*nouns(tool.name), *nouns(tool.name), *text_words(f"{tool.title} {tool.description}"), *fields[number][:60]]
        for number, tool in enumerate(tools)
    ]
    targets = [[*entry.words, *entry.words, *entry.words, *text_words(entry.description, limit=40)] for entry in inputs]
    vectors = Vectors(sources)
    source_rows, target_rows = vectors.matrix(sources), vectors.matrix(targets)
    near = _Nearness(tools, inputs)
    best = best_tools(target_rows, source_rows, near=near, keep=KEEP)
    numbers = {tool.key: number for number, tool in enumerate(tools)}
    rows = {(tools[entry.tool].key, entry.argument): row for row, entry in enumerate(inputs)}
    found = {
        (tools[int(best.tool[row, column])].key, tools[inputs[row].tool].key, inputs[row].argument): float(
            best.fit[row, column]
        )
        for row, column in np.argwhere(best.fit >= MIN_SIMILARITY)
    }
    # Edges that stand on other evidence tell their similarity as well, whatever it is.
    for source, target, argument in list(evidence):
        row = rows.get((target, argument))
        if row is not None and (source, target, argument) not in found:
            number = numbers[source]
            cosine = float(np.clip(target_rows[row] @ source_rows[number], 0, 1))
            found[source, target, argument] = cosine * float(near(row, row + 1, np.array([number]))[0, 0])
    for key, similarity in found.items():
        if similarity > 0:
            evidence[key]["description"] = {"similarity": round(similarity, 4)}
