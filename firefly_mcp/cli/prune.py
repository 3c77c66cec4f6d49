"""``firefly prune``: forget sessions."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.cli.filters import session_id
from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.errors import UsageError
from firefly_mcp.types import SessionKind


@click.command(name="prune")
@store_option
@click.option("--session", "sessions", multiple=True, metavar="ID|KEY", help="This session; may be repeated.")
@click.option("--kind", type=click.Choice([kind.value for kind in SessionKind]), help="Sessions of this kind.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Sessions that ended so many days ago.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Sessions with this label; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and change nothing.")
@json_option
def command(
    store: Path,
    sessions: tuple[str, ...],
    kind: str | None,
    older_than: float | None,
    labels: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Forget sessions, so that nothing of them is left in any byte of the file.

    Given several ways of choosing, a session must fit all of them. Repeats and replays of a forgotten session say the same and
    go with it; graph and effects are learnt anew; stored tasks that rest on it are marked. No other process may have the
    recording open.
    """
    from firefly_mcp.forget import forget
    from firefly_mcp.store.prune import Choice
    from firefly_mcp.store.recording import Recording

    for label in labels:
        if "=" not in label:
            raise UsageError(f"--label {label}: expected NAME=VALUE")
    ids: frozenset[int] = frozenset()
    if sessions:
        with Recording(store) as recording:
            ids = frozenset(number for name in sessions if (number := session_id(recording, name)) is not None)
    pairs = [(name, value) for name, _, value in (label.partition("=") for label in labels)]
    choice = Choice(ids, kind, older_than, pairs)
    if not choice:
        raise UsageError("say which sessions: --session, --kind, --older-than or --label")
    report = forget(store, choice, dry_run=dry_run)
    if as_json:
        emit_json(report.to_json())
        return
    if not report.sessions:
        note("no session fits; nothing was changed")
        return
    rows = [
        (s.id, plain(s.key, 24), s.kind, s.calls, "chosen" if s.id in report.chosen else "says the same again")
        for s in report.sessions
    ]
    table(("id", "key", "kind", "calls", "*why"), rows, title="Would be forgotten" if dry_run else "Forgotten")
    for name, (status, why) in report.tasks.items():
        note(f"task {name} is {status}: {why}")
    counts = ", ".join(f"{count:,} {name}" for name, count in report.rows.items() if count)
    before, after = report.bytes
    note(f"{'would remove' if dry_run else 'removed'} {counts}" + ("" if dry_run else f"; {before:,} bytes became {after:,}"))
