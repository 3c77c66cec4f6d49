"""``firefly fidelity``: held-out replay accuracy of a recording."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.filters import check_server
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.errors import CheckError
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.types import MatchKind

_SHOWN = 20


@click.command(name="fidelity")
@store_option
@click.option("--server", "servers", multiple=True, metavar="NAME", help="Only calls of this server; may be repeated.")
@click.option(
    "--match",
    type=click.Choice(["exact", "normalized", "semantic"]),
    default="normalized",
    show_default=True,
    help="Highest rung.",
)
@click.option(
    "--embedder", default="hashing", show_default=True, metavar="NAME|FOLDER|openai:MODEL", help="As of firefly replay."
)
@click.option(
    "--state", type=click.Choice(["strict", "lenient"]), default="strict", show_default=True, help="Answers of another state."
)
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rules per tool; without it replay.toml beside the recording, if there is one.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Hold out only N calls, chosen by --seed.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed chooses the same calls.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 if fewer of the calls that do not conflict are answered rightly.",
)
@click.option("--max-wrong", type=click.IntRange(min=0), metavar="N", help="Exit with 1 if more are answered wrongly.")
@json_option
def command(
    store: Path,
    servers: tuple[str, ...],
    match: str,
    embedder: str,
    state: str,
    rules_file: Path | None,
    sample: int | None,
    seed: int,
    fail_under: float | None,
    max_wrong: int | None,
    as_json: bool,
) -> None:
    """How far replay can be trusted: each recorded call is held out, replayed from the others, and compared.

    Right, wrong and missed by tool and by rung, once with the other calls of the call's own session to answer from and once
    without them. Calls that were recorded with several answers in one state are told apart. Exits with 1 only where a bound
    is given and not kept; both bounds are about the count with the call's own session.
    """
    from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
    from firefly_mcp.replay.fidelity import measure
    from firefly_mcp.replay.rules_file import replay_rules_for
    from firefly_mcp.replay.semantic import SemanticNeighbours
    from firefly_mcp.store.recording import Recording
    from firefly_proxies.embedders import embedder_named

    policy = ReplayPolicy(match=MatchKind(match), lenient=state == "lenient")
    rules = replay_rules_for(rules_file, store, note)
    with Recording(store) as recording:
        for name in servers:
            check_server(recording, name)
        index = ReplayIndex(recording, servers, rules=rules)
        rules.check(index.tools, str(recording.path))
        neighbours = None
        if policy.allows(MatchKind.SEMANTIC):
            neighbours = SemanticNeighbours(recording, index, embedder_named(embedder))
        found = measure(
            Replay(recording, policy, index, neighbours),
            sample=sample,
            seed=seed,
            tell=lambda count: note(f"{count:,} calls held out"),
        ).to_json()
    if as_json:
        emit_json(found)
    else:
        _show(found)
    _check(found, fail_under, max_wrong)


def _show(found: JsonObject) -> None:
    columns = (
        "server",
        "tool",
        "held out",
        "right",
        "wrong",
        "missed",
        "conflicting",
        "right/answered by match",
        "*missed by cause",
    )
    others = {(row["server"], row["tool"]): row for row in found["without_own_session"]["by_tool"]}
    table(columns, [_row(row) for row in [*found["by_tool"], _total(found)]], title="all other calls to answer from")
    click.echo()
    without = [*others.values(), _total(found["without_own_session"])]
    table(columns, [_row(row) for row in without], title="calls of other sessions to answer from")
    for one in found["wrong_answers"][:_SHOWN]:
        click.echo()
        click.echo(
            f"wrong: call {one['call']} {plain(one['server'])}/{plain(one['tool'])} {plain(text(one['arguments']), 160)}"
        )
        asked = "" if one["arguments"] == one["source_arguments"] else f" {plain(text(one['source_arguments']), 160)}"
        click.echo(f"    {one['kind']} match: call {one['source']}{asked}")
        click.echo(f"    recorded: {plain(text(one['recorded']), 300)}")
        click.echo(f"    replayed: {plain(text(one['replayed']), 300)}")
    if len(found["wrong_answers"]) > _SHOWN:
        note(f"the first {_SHOWN} wrong answers; --json gives more")
    if found["conflicting"]:
        note(
            f"{found['conflicting']:,} calls, in {found['conflicting_groups']:,} groups, were recorded with several answers in"
            " one state: nobody can say which is right"
        )


def _total(counts: JsonObject) -> JsonObject:
    return {**counts, "server": "all", "tool": ""}


def _row(row: JsonObject) -> tuple[object, ...]:
    kinds = ", ".join(f"{kind} {one['correct']}/{one['answered']}" for kind, one in row["by_match"].items())
    causes = ", ".join(f"{cause} {count}" for cause, count in row["missed_by_cause"].items())
    return (*(row[name] for name in ("server", "tool", "held_out", "correct", "wrong", "missed", "conflicting")), kinds, causes)


def _check(found: JsonObject, fail_under: float | None, max_wrong: int | None) -> None:
    judged = found["held_out"] - found["conflicting"]
    right = 100 * found["correct"] / judged if judged else 100.0
    if max_wrong is not None and found["wrong"] > max_wrong:
        raise CheckError(f"{found['wrong']:,} calls are answered wrongly, more than {max_wrong:,}")
    if fail_under is not None and right < fail_under:
        raise CheckError(f"{right:.1f}% of {judged:,} calls are answered rightly, less than {fail_under:g}%")
