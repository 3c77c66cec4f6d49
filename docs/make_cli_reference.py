"""Write ``docs/reference/cli.md`` from the commands' own help; with ``--check``, only say whether it is current."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from firefly_mcp.cli.main import cli

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 110
HEAD = """\
# The command line

<!-- Made by docs/make_cli_reference.py (make docs); do not edit. -->

`--store FILE` names the recording everywhere (default `firefly.db`, or `FIREFLY_STORE`). `--json` prints one JSON document
on stdout and nothing else; notes and progress go to stderr.

Exit codes: 0 done · 1 a check failed · 2 usage, bad input, or something outside that failed (one line, no traceback;
`FIREFLY_DEBUG=1` shows it) · 3 drift found · 130 interrupted.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sections(cli, _context(cli, "firefly"))])


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    names = cli.context_settings["help_option_names"]
    return click.Context(command, parent, name, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=names)


def _sections(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = _context(command, name, context)
        help_text = "\n".join(line.rstrip() for line in command.get_help(below).splitlines())
        yield f"## `{below.command_path}`\n\n```text\n{help_text}\n```\n"
        if isinstance(command, click.Group):
            yield from _sections(command, below)


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    page = reference()
    if "--check" in arguments:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
