"""``firefly sample``: draw sub-DAGs from the tool graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, plain


@click.command(name="sample")
@store_option
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="How many sub-DAGs.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same sub-DAGs.")
@click.option("--shapes", metavar="NAME=SHARE,...", help="Shape mix, as in chain=2,diamond=1; the other shapes are left out.")
@click.option("--size", metavar="LOW-HIGH", default="1-10", show_default=True, help="Calls in a sub-DAG.")
@click.option(
    "--cross-server", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Share that spans several servers."
)
@click.option(
    "--servers", metavar="NAME=SHARE,...", help="Where sub-DAGs start, as in shop=2,mail=1; the other servers are left out."
)
@click.option("--min-score", type=click.FloatRange(0, 1), help="Walk no edges weaker than this.")
@json_option
def command(
    store: Path,
    count: int,
    seed: int,
    shapes: str | None,
    size: str,
    cross_server: float,
    servers: str | None,
    min_score: float | None,
    as_json: bool,
) -> None:
    """Draw connected, acyclic sub-DAGs, least covered tools and edges first."""
    from firefly_mcp.graph.sampler import MIN_SCORE, Mix, sample
    from firefly_mcp.graph.store import load_coverage, load_graph
    from firefly_mcp.store.recording import Recording

    mix = Mix(size=_size(size), cross_server=cross_server)
    if shapes:
        shares = _shares("--shapes", shapes, "chain=2,diamond=1")
        mix = replace(mix, shapes={name.replace("-", "_"): share for name, share in shares.items()})
    if servers:
        mix = replace(mix, servers=_shares("--servers", servers, "shop=2,mail=1"))
    with Recording(store) as recording:
        graph = load_graph(recording)
        coverage = load_coverage(recording)
    dags = sample(graph, count, seed=seed, mix=mix, coverage=coverage, min_score=MIN_SCORE if min_score is None else min_score)
    if as_json:
        emit_json([dag.to_json() for dag in dags])
        return
    for number, dag in enumerate(dags, 1):
        click.echo(f"{number}. {dag.shape}, {len(dag.nodes)} {'call' if len(dag.nodes) == 1 else 'calls'}")
        for node in dag.nodes:
            fed = ", ".join(f"{plain(link.argument)} from {link.source}" for link in dag.links if link.target == node.id)
            click.echo(f"   {node.id:<3} {plain(node.key)}" + (f"  ({fed})" if fed else ""))


def _shares(option: str, told: str, example: str) -> dict[str, float]:
    from firefly_mcp.errors import UsageError

    shares: dict[str, float] = {}
    for part in told.split(","):
        name, given, share = part.strip().rpartition("=")
        try:
            shares[name if given else share] = float(share) if given else 1.0
        except ValueError:
            raise UsageError(f"{option}: {share!r} is not a number; write {example}") from None
    return shares


def _size(told: str) -> tuple[int, int]:
    from firefly_mcp.errors import UsageError

    low, _, high = told.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise UsageError(f"--size: {told!r} is not a range; write 2-5, or 3 for exactly three") from None
