"""The tool graph in a recording: the ``edge`` table, and building from what was recorded."""

from __future__ import annotations

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import UsageError
from firefly_mcp.graph.build import build_graph
from firefly_mcp.graph.coverage import Coverage, coverage_of
from firefly_mcp.graph.model import Edge, EdgeKey, ToolGraph
from firefly_mcp.graph.similarity import Embeds
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.replay.missed import debts
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool, ToolKey

_STAMP = "tool_graph"


def write_graph(recording: Recording, graph: ToolGraph) -> None:
    """Replace the stored edges by those of ``graph``, and note what was recorded then, in one transaction."""
    rows = [(*edge.source, *edge.target, edge.argument, edge.score, text(edge.evidence)) for edge in graph.edges]
    stamp = stamp_of(recording)
    with recording.transaction() as db:
        db.execute("DELETE FROM edge")
        db.executemany("INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (_STAMP, stamp))


def stamp_of(recording: Recording) -> str:
    """What a graph is built from, in short: the tools, and how many calls of which sessions."""
    tools = hash_json(sorted(tool.hash for tool in queries.tools(recording)))
    calls = recording.db.execute(
        "SELECT count(*), coalesce(max(c.id), 0), coalesce(sum(c.id), 0) FROM call c JOIN session s ON s.id = c.session_id"
        " WHERE s.kind <> 'replay' AND c.method = 'tools/call' AND c.status = 'done'"
    ).fetchall()[0]
    return text([tools, *calls])


def is_current(recording: Recording) -> bool:
    """Whether the stored graph was built from what the recording holds now."""
    return recording.db.execute("SELECT value FROM info WHERE key = ?", (_STAMP,)).fetchall() == [(stamp_of(recording),)]


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


def judgements_of(recording: Recording) -> dict[EdgeKey, JsonObject]:
    """What a model was asked about edges, as long as the two tools are what they were then."""
    tools = {tool.key: tool for tool in queries.tools(recording)}
    rows = recording.db.execute(
        "SELECT source_server, source_tool, target_server, target_tool, argument, json_extract(evidence, '$.judgement')"
        " FROM edge WHERE json_extract(evidence, '$.judgement') IS NOT NULL"
    )
    found: dict[EdgeKey, JsonObject] = {}
    for server, tool, to_server, to_tool, argument, judgement in rows:
        source, target = ToolKey(server, tool), ToolKey(to_server, to_tool)
        one = loads(judgement)
        if source in tools and target in tools and one.get("tools") == tools_hash(tools[source], tools[target]):
            found[source, target, argument] = one
    return found


def tools_hash(source: Tool, target: Tool) -> str:
    """What a judgement of an edge rests on: the definitions of its two tools."""
    return hash_json([source.hash, target.hash])[:16]


def build_from(recording: Recording, *, seed: int = 0, embedder: Embeds | None = None) -> ToolGraph:
    """Build the graph from everything recorded, replays left out; what a model judged is kept.

    Raises:
        UsageError: the recording holds no tools.
    """
    tools = queries.tools(recording)
    if not tools:
        raise UsageError(f"{recording.path}: no tools recorded yet; use 'firefly record' or 'firefly explore' first")
    calls = queries.calls(recording, method="tools/call", evidence_only=True)
    return build_graph(tools, calls, seed=seed, judgements=judgements_of(recording), embedder=embedder)


def load_graph(recording: Recording, *, seed: int = 0) -> ToolGraph:
    """The stored graph; where none is stored, or something was recorded since, it is built anew, and not stored.

    Raises:
        UsageError: the recording holds no tools.
    """
    return read_graph(recording) if is_current(recording) else build_from(recording, seed=seed)


def load_coverage(recording: Recording) -> Coverage:
    """What the recording covers already, and which tools and arguments replay could not answer for."""
    coverage = coverage_of(list(queries.calls(recording, method="tools/call", evidence_only=True)))
    coverage.misses, coverage.missed_arguments = debts(recording)
    return coverage
