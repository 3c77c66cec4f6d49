"""``firefly diff``: compare two recordings."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option
from firefly_mcp.cli.output import emit_json, note, plain, table
from firefly_mcp.errors import CheckError
from firefly_mcp.jsonio import JSON, text

_SHOWN = 200


@click.command(name="diff")
@click.argument("a", metavar="A.db", type=click.Path(path_type=Path))
@click.argument("b", metavar="B.db", type=click.Path(path_type=Path))
@json_option
def command(a: Path, b: Path, as_json: bool) -> None:
    """Compare two recordings: servers, tools, calls and their answers.

    The same call is one with the same server, tool and canonical arguments. Calls that one recording answers in several ways
    are told apart. Replayed calls count for nothing. Exits with 1 if there is a difference.
    """
    from firefly_mcp.store.diff import diff, rows
    from firefly_mcp.store.recording import Recording

    with Recording(a) as left, Recording(b) as right:
        found = diff(left, right)
    if as_json:
        emit_json(found.to_json())
    else:
        listed = list(islice(rows(found, _show), _SHOWN + 1))
        if listed:
            table(("what", "server/tool", "*arguments", "*how"), listed[:_SHOWN])
        if len(listed) > _SHOWN:
            note(f"the first {_SHOWN} differences; --json gives all")
        note(f"{found.same:,} calls have the same answer, {len(found.other):,} another, {len(found.conflicting):,} several")
    if not found.equal:
        raise CheckError(f"{a} and {b} are different")


def _show(value: JSON) -> str:
    return plain(value if isinstance(value, str) else text(value), 100)
