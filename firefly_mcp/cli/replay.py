"""``firefly replay``: serve a recording as an MCP server, with the real servers gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from firefly_mcp.cli.options import store_option
from firefly_mcp.cli.output import note
from firefly_mcp.cli.replay_steps import Steps, step_options
from firefly_mcp.types import MatchKind


@click.command(name="replay")
@store_option
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Serve only this server; may be repeated.")
@click.option("--http", "http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio.")
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="Accept this Host header beside loopback's.")
@click.option("--token", metavar="TOKEN", help="Demand this bearer token.")
@click.option(
    "--match",
    type=click.Choice(["exact", "normalized", "semantic"]),
    default="normalized",
    show_default=True,
    help="Highest rung.",
)
@click.option(
    "--embedder",
    default="hashing",
    show_default=True,
    metavar="NAME|FOLDER|openai:MODEL",
    help="What ranks free text with --match semantic: hashing, minilm, a folder with an ONNX model, openai:MODEL,"
    " fastembed:MODEL or sentence-transformers:MODEL.",
)
@click.option(
    "--state", type=click.Choice(["strict", "lenient"]), default="strict", show_default=True, help="Answers of another state."
)
@click.option(
    "--start", metavar="SESSION|ORIGIN", help="Where sessions begin; needed when the recording has several beginnings."
)
@click.option(
    "--redaction",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Redact requests by these rules too; those that the recording was made with always apply.",
)
@click.option("--no-provenance", is_flag=True, help="Leave firefly/* keys out of _meta; the log keeps them.")
@step_options
def command(
    store: Path,
    servers: tuple[str, ...],
    http: str | None,
    allowed_hosts: tuple[str, ...],
    token: str | None,
    match: str,
    embedder: str,
    state: str,
    start: str | None,
    redaction: Path | None,
    no_provenance: bool,
    **steps_given: Any,
) -> None:
    """Serve a recording as an MCP server.

    Each request is answered by the first rung of the ladder that holds, in the state of its session, or with a declared miss.
    """
    from firefly_mcp.redaction_rules import NO_RULES, load_rules
    from firefly_mcp.replay import ReplayPolicy
    from firefly_mcp.store.recording import Recording
    from firefly_proxies.embedders import embedder_named
    from firefly_proxies.replay import ReplayFactory
    from firefly_proxies.serve import parse_address, run, serve_http, serve_stdio

    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient", start=start, provenance=not no_provenance)
    redacts = NO_RULES if redaction is None else load_rules(redaction)
    steps = Steps(**steps_given)
    steps.check()
    rules = steps.rules(store)
    with Recording(store) as recording:
        wraps = steps.wraps(recording, rules, servers, redacts)
        factory = ReplayFactory(
            recording,
            policy,
            servers=servers,
            redaction=redacts,
            rules=rules,
            wraps=wraps,
            embedder=embedder_named(embedder) if policy.allows(MatchKind.SEMANTIC) else None,
        )
        if http is None:
            run(serve_stdio(factory))
            return
        host, port = parse_address(http)

        def ready(url: str) -> None:
            note(f"listening on {url}")

        run(serve_http(factory, host, port, token=token, allowed_hosts=allowed_hosts, on_ready=ready))
