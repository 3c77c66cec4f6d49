"""The tool graph in a recording: the ``edge`` table, and building from what was recorded."""

from __future__ import annotations

from firefly_mcp.errors import UsageError
from firefly_mcp.graph.build import build_graph
from firefly_mcp.graph.coverage import Coverage, coverage_of
from firefly_mcp.graph.model import Edge, ToolGraph
from firefly_mcp.jsonio import loads, text
from firefly_mcp.replay.missed import debts
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey


def write_graph(recording: Recording, graph: ToolGraph) -> None:
    """Replace the stored edges by those of ``graph``, in one transaction."""
    rows = [(*edge.source, *edge.target, edge.argument, edge.score, text(edge.evidence)) for edge in graph.edges]
    with recording.transaction() as db:
        db.execute("DELETE FROM edge")
        db.executemany("INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def read_graph(recording: Recording) -> ToolGraph:
    """The stored edges between the latest tool snapshots; edges of tools that are gone are left out."""
    rows = recording.db.execute(
        "SELECT source_server, source_tool, target_server, target_tool, argument, score, evidence FROM edge"
        " ORDER BY source_server, source_tool, target_server, target_tool, argument"
    )
    edges = [
        Edge(ToolKey(server, tool), ToolKey(to_server, to_tool), argument, score, loads(evidence))
        for server, tool, to_server, to_tool, argument, score, evidence in rows
    ]
    return ToolGraph(queries.tools(recording), edges)


def build_from(recording: Recording, *, seed: int = 0) -> ToolGraph:
    """Build the graph from everything recorded, replays left out.

    Raises:
        UsageError: the recording holds no tools.
    """
    tools = queries.tools(recording)
    if not tools:
        raise UsageError(f"{recording.path}: no tools recorded yet; use 'firefly record' or 'firefly explore' first")
    return build_graph(tools, queries.calls(recording, method="tools/call", evidence_only=True), seed=seed)


def load_graph(recording: Recording, *, seed: int = 0) -> ToolGraph:
    """The stored graph; where none is stored yet it is built, and not stored.

    Raises:
        UsageError: the recording holds no tools.
    """
    stored = read_graph(recording)
    return stored if len(stored) else build_from(recording, seed=seed)


def load_coverage(recording: Recording) -> Coverage:
    """What the recording covers already, and which tools and arguments replay could not answer for."""
    coverage = coverage_of(list(queries.calls(recording, method="tools/call", evidence_only=True)))
    coverage.misses, coverage.missed_arguments = debts(recording)
    return coverage
