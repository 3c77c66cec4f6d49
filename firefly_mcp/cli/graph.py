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
@click.option(
    "--embedder", metavar="NAME", help="Compare descriptions by it (hashing, minilm, FOLDER …) instead of by their words."
)
@json_option
def build(store: Path, seed: int, embedder: str | None, as_json: bool) -> None:
    """Build the graph from everything recorded, and store its edges. What a model judged is kept."""
    import time

    from firefly_mcp.embed.named import local_embedder
    from firefly_mcp.graph.store import build_from, write_graph
    from firefly_mcp.store.recording import Recording

    started = time.perf_counter()
    with Recording(store) as recording:
        graph = build_from(recording, seed=seed, embedder=local_embedder(embedder) if embedder else None)
        write_graph(recording, graph)
    kinds = {kind: sum(kind in edge.evidence for edge in graph.edges) for kind in ("flow", "echo", "schema", "description")}
    seconds = round(time.perf_counter() - started, 3)
    if as_json:
        emit_json({"tools": len(graph.tools), "edges": len(graph), "by_evidence": kinds, "seconds": seconds})
        return
    shares = ", ".join(f"{count} with {kind} evidence" for kind, count in kinds.items())
    note(f"{len(graph.tools)} tools, {len(graph)} edges ({shares}), {seconds:.1f} s")


@command.command()
@click.argument("tool", required=False)
@store_option
@click.option("--tool", "name", metavar="NAME", help="The same as TOOL.")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Leave weaker edges out.")
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, metavar="N", help="At most so many edges.")
@json_option
def show(store: Path, tool: str | None, name: str | None, min_score: float, limit: int, as_json: bool) -> None:
    """List the edges, best first; of one TOOL (its name, or SERVER/TOOL) with the reasons for each."""
    from firefly_mcp.errors import UsageError
    from firefly_mcp.graph.reasons import reasons
    from firefly_mcp.graph.store import load_graph
    from firefly_mcp.store.recording import Recording

    name = tool or name
    with Recording(store) as recording:
        graph = load_graph(recording).above(min_score)
    named = {key for key in graph.tools if name in (key.tool, str(key))}
    if name is not None and not named:
        raise UsageError(f"{store}: no tool named {name}; 'firefly tools' lists them")
    edges = [edge for edge in graph.edges if name is None or edge.source in named or edge.target in named]
    edges.sort(key=lambda edge: (-edge.score, edge.key))
    if as_json:
        emit_json([{**edge.to_json(), "why": reasons(edge)} for edge in edges[:limit]])
        return
    rows = [
        (
            f"{edge.score:.2f}",
            edge.source,
            edge.target,
            edge.argument,
            "\n".join(reasons(edge)) if name else ", ".join(edge.evidence),
        )
        for edge in edges[:limit]
    ]
    table(["score", "source", "target", "argument", "*why" if name else "*evidence"], rows)
    if len(edges) > limit:
        note(f"{len(edges) - limit} more; --limit N shows them")


@command.command()
@store_option
@click.option("--model", required=True, metavar="NAME", help="A model at OPENAI_BASE_URL (OPENAI_API_KEY).")
@click.option(
    "--limit", type=click.IntRange(1), default=500, show_default=True, metavar="N", help="Ask of at most so many edges."
)
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Questions open at once.")
@json_option
def judge(store: Path, model: str, limit: int, concurrency: int, as_json: bool) -> None:
    """Ask a model how plausible the edges are that nothing observed has settled (high, medium or low), and store its word.

    Only edges of the graph are asked about, those in doubt first; an edge is asked about once, until one of its tools changes.
    """
    import anyio

    from firefly_agents.edge_judge import judge_edges
    from firefly_mcp.store.recording import Recording

    with Recording(store) as recording:
        told = anyio.run(judge_edges, recording, model, limit, concurrency)
    if as_json:
        emit_json(told)
        return
    levels = ", ".join(f"{count} {level}" for level, count in told["levels"].items())
    note(f"{told['asked']} asked ({levels}), {told['failed']} without a usable answer, {told['known']} known before")


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
