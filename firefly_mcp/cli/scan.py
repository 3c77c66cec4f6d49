"""``firefly scan``: prove that a recording holds none of the given secrets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from firefly_mcp.cli.options import json_option, store_option
from firefly_mcp.cli.output import emit_json, note, table
from firefly_mcp.errors import CheckError, UsageError


@click.command(name="scan")
@store_option
@click.option("--secret", "values", multiple=True, metavar="VALUE", help="Look for this; other programs can see it meanwhile.")
@click.option("--secrets-from", "files", multiple=True, metavar="FILE|-", help="Look for each line of a file, or of stdin.")
@click.option("--env", "names", multiple=True, metavar="NAME", help="Look for the value of this environment variable.")
@json_option
def command(store: Path, values: tuple[str, ...], files: tuple[str, ...], names: tuple[str, ...], as_json: bool) -> None:
    """Look for secrets in a recording: in every byte of its files, and in every row.

    Secrets are found as they are, JSON-escaped, URL-encoded, in HTML and within base64. Every text is held against the
    built-in token patterns too. Exits with 1 if anything is found; what is found is never shown.
    """
    from firefly_mcp.store.scan import Secret, scan

    secrets = [Secret(f"secret:{number}", value) for number, value in enumerate(values, 1)]
    secrets += [Secret(f"env:{name}", _variable(name)) for name in names]
    secrets += [Secret(f"{file}:{number}", line) for file in files for number, line in _lines(file)]
    blank = next((secret.name for secret in secrets if not secret.value.strip()), None)
    if blank is not None:
        raise UsageError(f"{blank} is blank; there is nothing to look for")
    report = scan(store, secrets)
    if as_json:
        emit_json(report.to_json())
    else:
        rows = [
            (f.table or f.file, f.row if f.table else f"byte {f.offset}", f.column or "", f.rule, f.form, f.count)
            for f in report.findings
        ]
        if rows:
            table(("where", "*row", "column", "rule", "form", "count"), rows, title=str(store))
        note(f"looked through {report.bytes:,} bytes and {report.texts:,} values for {len(secrets)} secrets and all patterns")
    if not report.clean:
        rules = sorted({finding.rule for finding in report.findings})
        named = f"{', '.join(rules[:5])}{' …' if len(rules) > 5 else ''}"
        raise CheckError(f"{store}: holds what it must not ({named}); 'firefly prune' forgets sessions")


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UsageError(f"--env {name}: the variable is not set")
    return value


def _lines(file: str) -> list[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--secrets-from {file}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
