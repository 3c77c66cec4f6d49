"""The tool graph for other programs: JSON, GraphML, DOT, Mermaid, one HTML page. What servers wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from typing import Any

import networkx as nx

from firefly_mcp.graph.model import ToolGraph
from firefly_mcp.graph.reasons import reasons
from firefly_mcp.jsonio import text
from firefly_mcp.types import ToolKey

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def to_json(graph: ToolGraph) -> str:
    """``{nodes: [{server, tool}], edges: [{source, target, argument, score, evidence}]}``."""
    return text(graph.to_json()) + "\n"


def to_graphml(graph: ToolGraph) -> str:
    """GraphML of the multigraph; evidence is JSON text."""
    out: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for key in sorted(graph.tools):
        out.add_node(_xml(str(key)), server=_xml(key.server), tool=_xml(key.tool))
    for number, edge in enumerate(graph.edges):
        values: dict[str, Any] = {"argument": _xml(edge.argument), "score": edge.score, "evidence": _xml(text(edge.evidence))}
        out.add_edge(_xml(str(edge.source)), _xml(str(edge.target)), key=str(number), **values)
    return "\n".join(nx.generate_graphml(out)) + "\n"


def to_dot(graph: ToolGraph) -> str:
    """Graphviz DOT, one cluster per server."""
    ids = _ids(graph)
    lines = ["digraph tools {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for number, (server, keys) in enumerate(_by_server(graph).items()):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(server)};"]
        lines += [f"    {ids[key]} [label={_quoted(key.tool)}];" for key in keys]
        lines.append("  }")
    for edge in graph.edges:
        label = _quoted(f"{edge.argument} {edge.score:.2f}")
        lines.append(f"  {ids[edge.source]} -> {ids[edge.target]} [label={label}, penwidth={0.5 + 2.5 * edge.score:.2f}];")
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(graph: ToolGraph) -> str:
    """A Mermaid flow chart, one subgraph per server."""
    ids = _ids(graph)
    lines = ["flowchart LR"]
    for number, (server, keys) in enumerate(_by_server(graph).items()):
        lines.append(f"  subgraph s{number}[{_mermaid(server)}]")
        lines += [f"    {ids[key]}[{_mermaid(key.tool)}]" for key in keys]
        lines.append("  end")
    lines += [f"  {ids[e.source]} -->|{_mermaid(f'{e.argument} {e.score:.2f}')}| {ids[e.target]}" for e in graph.edges]
    return "\n".join(lines) + "\n"


def to_html(graph: ToolGraph) -> str:
    """One self-contained page: search, a tool's neighbourhood as a picture, its edges and why they are there."""
    data = graph.to_json()
    for node in data["nodes"]:
        node["description"] = graph.tools[ToolKey(node["server"], node["tool"])].description[:600]
    for edge, written in zip(graph.edges, data["edges"], strict=True):
        del written["evidence"]
        written["why"] = reasons(edge)
    page = resources.files("firefly_mcp.graph").joinpath("page.html").read_text(encoding="utf-8")
    # Inside <script> only "<" (and "&" in XHTML) could end the data; both are written as JSON escapes.
    embedded = (
        text(data).replace("&", "\\u0026").replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
    return page.replace("{{DATA}}", embedded)


FORMATS: dict[str, Callable[[ToolGraph], str]] = {
    "json": to_json,
    "graphml": to_graphml,
    "dot": to_dot,
    "mermaid": to_mermaid,
    "html": to_html,
}


def _ids(graph: ToolGraph) -> dict[Any, str]:
    return {key: f"t{number}" for number, key in enumerate(sorted(graph.tools))}


def _by_server(graph: ToolGraph) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for key in sorted(graph.tools):
        found.setdefault(key.server, []).append(key)
    return found


def _xml(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)


def _quoted(value: str) -> str:
    escaped = _CONTROL.sub(" ", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid(value: str) -> str:
    plain = _CONTROL.sub(" ", value)
    return '"' + re.sub(r"[^\w ./:-]", lambda found: f"#{ord(found[0])};", plain) + '"'
