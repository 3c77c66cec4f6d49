"""``firefly replay``: serve a recording as an MCP server, with the real servers gone."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.options import store_option
from firefly_mcp.cli.output import note
from firefly_mcp.types import MatchKind


@click.command(name="replay")
@store_option
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Serve only this server; may be repeated.")
@click.option("--http", "http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio.")
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="Accept this Host header beside loopback's.")
@click.option("--token", metavar="TOKEN", help="Demand this bearer token.")
@click.option(
    "--match", type=click.Choice(["exact", "normalized"]), default="normalized", show_default=True, help="Highest rung."
)
@click.option(
    "--state", type=click.Choice(["strict", "lenient"]), default="strict", show_default=True, help="Answers of another state."
)
@click.option(
    "--start", metavar="SESSION|ORIGIN", help="Where sessions begin; needed when the recording has several beginnings."
)
@click.option(
    "--on-miss", type=click.Choice(["error"]), default="error", show_default=True, help="What a miss is answered with."
)
@click.option(
    "--redaction",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Redact requests by these rules too; those that the recording was made with always apply.",
)
@click.option("--no-provenance", is_flag=True, help="Leave firefly/* keys out of _meta; the log keeps them.")
def command(
    store: Path,
    servers: tuple[str, ...],
    http: str | None,
    allowed_hosts: tuple[str, ...],
    token: str | None,
    match: str,
    state: str,
    start: str | None,
    on_miss: str,
    redaction: Path | None,
    no_provenance: bool,
) -> None:
    """Serve a recording as an MCP server: exact and normalized matches in the right state, or a declared miss."""
    from firefly_mcp.redaction_rules import NO_RULES, load_rules
    from firefly_mcp.replay import ReplayPolicy
    from firefly_mcp.store.recording import Recording
    from firefly_proxies.replay import ReplayFactory
    from firefly_proxies.serve import parse_address, run, serve_http, serve_stdio

    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient", start=start, provenance=not no_provenance)
    rules = NO_RULES if redaction is None else load_rules(redaction)
    with Recording(store) as recording:
        factory = ReplayFactory(recording, policy, servers=servers, redaction=rules)
        if http is None:
            run(serve_stdio(factory))
            return
        host, port = parse_address(http)

        def ready(url: str) -> None:
            note(f"listening on {url}")

        run(serve_http(factory, host, port, token=token, allowed_hosts=allowed_hosts, on_ready=ready))
