"""``firefly doctor``: what works on this machine, and what to install."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from firefly_mcp.cli.options import json_option
from firefly_mcp.cli.output import emit_json, table
from firefly_mcp.errors import CheckError


@click.command(name="doctor")
@json_option
def command(as_json: bool) -> None:
    """What works on this machine, and what to install.

    Exits with 1 only if something that the core needs is missing.
    """
    from firefly_mcp.machine import facts

    found = facts(os.environ)
    broken = [fact.name for fact in found if fact.needed and not fact.ok]
    if as_json:
        emit_json({"ok": not broken, "checks": [asdict(fact) for fact in found]})
    else:
        marks = [("ok" if fact.ok else "MISSING" if fact.needed else "-") for fact in found]
        rows = [(mark, fact.name, fact.detail, "" if fact.ok else fact.advice) for mark, fact in zip(marks, found, strict=True)]
        table(("", "what", "*found", "*what to do"), rows)
    if broken:
        raise CheckError(f"this machine lacks what the core needs: {', '.join(broken)}")
