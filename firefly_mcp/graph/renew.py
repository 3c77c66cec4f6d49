"""Write the stored graph anew after sessions were forgotten: its evidence may not outlive the calls that it was read from."""

from __future__ import annotations

import apsw

from firefly_mcp.graph.build import build_graph
from firefly_mcp.graph.store import judgements_of
from firefly_mcp.jsonio import text
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording


def renew_edges(recording: Recording, db: apsw.Connection) -> int:
    """Replace the stored edges by those that the remaining calls show, inside the caller's transaction.

    What a model was asked about edges is kept. A recording without a stored graph stays without.

    Returns:
        How many edges there were.
    """
    judgements = judgements_of(recording)
    db.execute("DELETE FROM edge")
    count = db.changes()
    if count:
        calls = queries.calls(recording, method="tools/call", evidence_only=True)
        graph = build_graph(queries.tools(recording), calls, judgements=judgements)
        rows = [(*edge.source, *edge.target, edge.argument, edge.score, text(edge.evidence)) for edge in graph.edges]
        db.executemany("INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return count
