"""``firefly record``: stand between any MCP client and real servers, and keep every call in the recording."""

from __future__ import annotations

import os
from pathlib import Path

import click

from firefly_mcp.cli.options import store_option
from firefly_mcp.cli.output import note
from firefly_mcp.errors import UsageError


@click.command(name="record")
@store_option
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Servers, as the desktop clients write them (mcpServers)."
)
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Only this server of the file; may be repeated.")
@click.option(
    "--redaction",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Redaction rules of your own; without it redaction.toml beside --config or in the working folder, if there is one.",
)
@click.option("--http", "http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio.")
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="Accept this Host header beside loopback's.")
@click.option("--token", envvar="FIREFLY_TOKEN", metavar="TOKEN", help="Demand this bearer token (or FIREFLY_TOKEN).")
@click.option(
    "--on-store-error",
    type=click.Choice(["fail", "pass"]),
    default="fail",
    show_default=True,
    help="A call that cannot be recorded fails, or passes through with a note.",
)
@click.argument("argv", nargs=-1, metavar="[-- COMMAND ARG...]", type=click.UNPROCESSED)
def command(
    store: Path,
    config: Path | None,
    servers: tuple[str, ...],
    redaction: Path | None,
    http: str | None,
    allowed_hosts: tuple[str, ...],
    token: str | None,
    on_store_error: str,
    argv: tuple[str, ...],
) -> None:
    """Record what MCP clients do with real servers.

    The servers come from --config, or the one server is started with the command after --. Each client session gets its own
    session with every server. With several servers, tools are named SERVER_TOOL.
    """
    from firefly_mcp.redact import Redactor
    from firefly_mcp.redaction_rules import rules_for
    from firefly_mcp.replay.indexing import index_quietly
    from firefly_mcp.servers.config import load_servers, spec_from_command
    from firefly_mcp.store.recording import Recording
    from firefly_proxies.child import check_command
    from firefly_proxies.record import RecordFactory
    from firefly_proxies.serve import listen, parse_address, run, serve_http, serve_stdio

    if argv and config is not None:
        raise UsageError("give --config FILE or -- COMMAND ARG..., not both")
    if servers and config is None:
        raise UsageError("--server picks from a file; give it with --config FILE")
    if argv:
        spec = spec_from_command(argv)
        specs = {spec.name: spec}
    elif config is not None:
        specs = load_servers(config, servers)
    else:
        raise UsageError("no server to record: give --config FILE or -- COMMAND ARG...")
    full = [spec.expanded(os.environ) for spec in specs.values()]
    if len(full) == 1:
        check_command(full[0])
    address = None if http is None else parse_address(http)
    listener = None if address is None else listen(*address)
    secrets = [secret for spec in full for secret in spec.secrets()]
    redactor = Redactor(secrets, rules=rules_for(redaction, config, secrets, os.environ))
    with Recording(store, create=True) as recording:
        factory = RecordFactory(recording, specs, redactor=redactor, on_store_error=on_store_error)
        if address is None:
            run(serve_stdio(factory))
        else:
            host, port = address
            run(
                serve_http(
                    factory,
                    host,
                    port,
                    token=token,
                    allowed_hosts=allowed_hosts,
                    on_ready=lambda url: note(f"listening on {url}"),
                    listener=listener,
                )
            )
        index_quietly(recording)
