"""Options that several commands share. ``store_option`` fills the parameter ``store``, ``json_option`` fills ``as_json``."""

from __future__ import annotations

from pathlib import Path

import click

from firefly_mcp.settings import DEFAULT_STORE, STORE_VARIABLE

store_option = click.option(
    "--store",
    "-s",
    "store",
    type=click.Path(path_type=Path),
    default=DEFAULT_STORE,
    envvar=STORE_VARIABLE,
    show_default=True,
    show_envvar=True,
    metavar="FILE",
    help="The recording.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else.")

tasks_option = click.option(
    "--tasks",
    "tasks_file",
    type=click.Path(path_type=Path),
    default="tasks.jsonl",
    show_default=True,
    metavar="FILE",
    help="The tasks, one JSON object a line.",
)

match_option = click.option(
    "--match",
    type=click.Choice(["exact", "normalized", "semantic"]),
    default="normalized",
    show_default=True,
    help="Highest rung.",
)

state_option = click.option(
    "--state", type=click.Choice(["strict", "lenient"]), default="strict", show_default=True, help="Answers of another state."
)
