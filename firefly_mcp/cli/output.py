"""How commands speak: results on stdout, everything else on stderr, and nothing untrusted reaches the terminal unescaped."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from firefly_mcp.jsonio import JSON, dumps

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_PIPE_WIDTH = 1000


def emit_json(value: JSON) -> None:
    """Print one JSON document."""
    click.echo(dumps(value))


def emit_json_list(values: Iterable[JSON]) -> None:
    """Print one JSON list, an item to a line, without holding all of it."""
    start = b"["
    for value in values:
        click.echo(start + b"\n " + dumps(value), nl=False)
        start = b","
    click.echo("[]" if start == b"[" else "\n]")


def note(message: str) -> None:
    """Say something on stderr."""
    click.echo(plain(message), err=True)


def plain(value: object, limit: int | None = None) -> str:
    """Text for a terminal, on one line: control and direction characters are spelled out; cut to ``limit`` characters."""
    text = "" if value is None else str(value)
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)] + "…"
    return _UNSAFE.sub(lambda found: " " if found[0] in "\n\t" else found[0].encode("unicode_escape").decode(), text)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table; cells are plain text, numbers are set right. A column named ``"*name"`` takes the room that is left."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else _PIPE_WIDTH, highlight=False, emoji=False)
    listed = [list(row) for row in rows]
    out = Table(
        title=Text(plain(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for index, column in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[index], int | float | None) for row in listed)
        wide = column.startswith("*")
        out.add_column(
            Text(column.removeprefix("*")),
            justify="right" if numeric else "left",
            no_wrap=not wide,
            overflow="fold" if wide else "ellipsis",
            ratio=1 if wide and terminal else None,
        )
    for row in listed:
        out.add_row(*(Text(_number(cell) if isinstance(cell, float) else plain(cell)) for cell in row))
    if terminal:
        console.print(out)
        return
    with console.capture() as capture:
        console.print(out)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) < 1e6 else f"{value:.3g}"
