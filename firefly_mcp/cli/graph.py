"""``firefly graph``: build the tool graph, look at it, and write it for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, table

_FORMATS = ("json", "graphml", "dot", "mermaid", "html")


@click.group(name="graph")
def command() -> None:
    """The tool graph: an edge A→B says that something A returns can feed an argument of B."""


@command.command()
@store_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of the shuffles that estimate false flows.")
@json_option
def build(store: Path, seed: int, as_json: bool) -> None:
    """Build the graph from everything recorded, and store its edges."""
    import time

    from firefly_mcp.graph.store import build_from, write_graph
    from firefly_mcp.store.recording import Recording

    started = time.perf_counter()
    with Recording(store) as recording:
        graph = build_from(recording, seed=seed)
        write_graph(recording, graph)
    kinds = {kind: sum(kind in edge.evidence for edge in graph.edges) for kind in ("flow", "schema", "description")}
    seconds = round(time.perf_counter() - started, 3)
    if as_json:
        emit_json({"tools": len(graph.tools), "edges": len(graph), "by_evidence": kinds, "seconds": seconds})
        return
    shares = ", ".join(f"{count} with {kind} evidence" for kind, count in kinds.items())
    note(f"{len(graph.tools)} tools, {len(graph)} edges ({shares}), {seconds:.1f} s")


@command.command()
@store_option
@click.option("--tool", "name", metavar="NAME", help="Only edges from or into this tool (TOOL or SERVER/TOOL).")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Leave weaker edges out.")
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, metavar="N", help="At most so many edges.")
@json_option
def show(store: Path, name: str | None, min_score: float, limit: int, as_json: bool) -> None:
    """List the edges, best first."""
    from firefly_mcp.errors import UsageError
    from firefly_mcp.graph.store import load_graph
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        graph = load_graph(recording).above(min_score)
    named = {key for key in graph.tools if name in (key.tool, str(key))}
    if name is not None and not named:
        raise UsageError(f"{store}: no tool named {name}; 'firefly tools' lists them")
    edges = [edge for edge in graph.edges if name is None or edge.source in named or edge.target in named]
    edges.sort(key=lambda edge: (-edge.score, edge.key))
    if as_json:
        emit_json([edge.to_json() for edge in edges[:limit]])
        return
    rows = [(f"{edge.score:.2f}", edge.source, edge.target, edge.argument, ", ".join(edge.evidence)) for edge in edges[:limit]]
    table(["score", "source", "target", "argument", "*evidence"], rows)
    if len(edges) > limit:
        note(f"{len(edges) - limit} more; --limit N shows them")


@command.command()
@store_option
@click.option("--format", "form", type=click.Choice(_FORMATS), default="json", show_default=True, help="What to write.")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Leave weaker edges out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write here instead of to stdout.")
def export(store: Path, form: str, min_score: float, out: Path | None) -> None:
    """Write the graph as JSON, GraphML, DOT, Mermaid or one HTML page."""
    from firefly_mcp.errors import UsageError
    from firefly_mcp.graph.export import FORMATS
    from firefly_mcp.graph.store import load_graph
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        written = FORMATS[form](load_graph(recording).above(min_score))
    if out is None:
        click.echo(written, nl=False)
        return
    try:
        out.write_text(written, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror})") from error
    note(f"{out}: written")
