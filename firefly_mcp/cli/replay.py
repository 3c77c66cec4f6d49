"""``firefly replay``: serve a recording as an MCP server, with the real servers gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firefly_mcp.cli.options import match_option, state_option, store_option
from firefly_mcp.cli.output import note
from firefly_mcp.cli.replay_steps import Steps, step_options
from firefly_mcp.types import MatchKind

if TYPE_CHECKING:
    from firefly_mcp.embed.protocol import Embedder
    from firefly_mcp.replay import ReplayPolicy
    from firefly_proxies.replay import ReplayFactory


@click.command(name="replay")
@store_option
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Serve only this server; may be repeated.")
@click.option("--http", "http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio.")
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="Accept this Host header beside loopback's.")
@click.option("--token", metavar="TOKEN", help="Demand this bearer token.")
@match_option
@click.option(
    "--embedder",
    default="hashing",
    show_default=True,
    metavar="NAME|FOLDER|openai:MODEL",
    help="What ranks free text with --match semantic: hashing, minilm, a folder with an ONNX model, openai:MODEL,"
    " fastembed:MODEL or sentence-transformers:MODEL.",
)
@state_option
@click.option(
    "--start", metavar="SESSION|ORIGIN", help="Where sessions begin; needed when the recording has several beginnings."
)
@click.option(
    "--redaction",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Redact requests by these rules too; those that the recording was made with always apply.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="With --http: so many processes serve the port; each session stays with one of them.",
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
    workers: int,
    **steps_given: Any,
) -> None:
    """Serve a recording as an MCP server.

    Each request is answered by the first rung of the ladder that holds, in the state of its session, or with a declared miss.
    """
    from firefly_mcp.errors import UsageError
    from firefly_mcp.replay import ReplayPolicy
    from firefly_proxies.serve import parse_address, run, serve_http, serve_stdio

    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient", start=start, provenance=not no_provenance)
    steps = Steps(**steps_given)
    steps.check()
    if workers > 1 and http is None:
        raise UsageError("--workers serves a port: give --http PORT too")
    make = Replayed(store, policy, servers, redaction, steps, embedder)

    def ready(url: str) -> None:
        note(f"listening on {url}")

    if http is None:
        with make() as factory:
            run(serve_stdio(factory))
        return
    host, port = parse_address(http)
    if workers == 1:
        with make() as factory:
            run(serve_http(factory, host, port, token=token, allowed_hosts=allowed_hosts, on_ready=ready))
        return
    from firefly_proxies.workers import serve_workers

    with make():
        pass  # what is wrong is told once, and what was recorded since the last time is indexed once
    serve_workers(make, workers, host, port, token=token, allowed_hosts=allowed_hosts, on_ready=ready)


@dataclass(frozen=True)
class Replayed:
    """What is replayed, and how. Nothing is open in it, so that other processes may be given it."""

    store: Path
    policy: ReplayPolicy
    servers: tuple[str, ...]
    redaction: Path | None
    steps: Steps
    embedder: str

    @contextmanager
    def __call__(self) -> Iterator[ReplayFactory]:
        """Open the recording and what serves it."""
        from firefly_mcp.redaction_rules import NO_RULES, load_rules
        from firefly_mcp.store.recording import Recording
        from firefly_proxies.replay import ReplayFactory

        redacts = NO_RULES if self.redaction is None else load_rules(self.redaction)
        rules = self.steps.rules(self.store)
        with Recording.for_replay(self.store) as recording:
            if recording.readonly:
                note(f"{self.store} cannot be written: replayed calls are not logged")
            wraps = self.steps.wraps(recording, rules, self.servers, redacts)
            yield ReplayFactory(
                recording,
                self.policy,
                servers=self.servers,
                log=not recording.readonly,
                redaction=redacts,
                rules=rules,
                wraps=wraps,
                embedder=self._embedder(),
            )

    def _embedder(self) -> Embedder | None:
        if not self.policy.allows(MatchKind.SEMANTIC):
            return None
        from firefly_proxies.embedders import embedder_named

        return embedder_named(self.embedder)
