"""What ``firefly explore`` and ``firefly run`` have in common: the servers, their seed files, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firefly_mcp.cli.output import note
from firefly_mcp.errors import ConfigError
from firefly_mcp.redaction_rules import RedactionRules
from firefly_mcp.servers.config import ServerSpec

if TYPE_CHECKING:
    from firefly_agents.sandboxes import Seeds

seed_files_option = click.option(
    "--seed-files",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Files of which every server gets a copy in its working folder, unless its configuration names some of its own.",
)


def announce(specs: Mapping[str, ServerSpec]) -> None:
    """Say on standard error what is about to be started."""
    note("Starting these third-party servers, each in a folder of its own:")
    for spec in specs.values():
        note(f"  {spec.name}: {spec.url or ' '.join((str(spec.command), *spec.args))}")


def sources(
    config: Path | None, only: tuple[str, ...], seed_files: Path | None
) -> tuple[dict[str, ServerSpec], Seeds, RedactionRules]:
    """The servers of a file (or the bundled ones), where their seed files are, and the rules of redaction.toml.

    Raises:
        ConfigError: a file is missing or wrong, or holds no servers.
    """
    from firefly_agents.sandboxes import Seeds
    from firefly_mcp.redaction_rules import rules_for
    from firefly_mcp.servers.bundled import bundled_path, seed_folder
    from firefly_mcp.servers.config import load_servers

    specs = load_servers(config or bundled_path(), only)
    if not specs:
        raise ConfigError(f"{config}: no servers in it")
    secrets = [secret for spec in specs.values() for secret in spec.expanded({**os.environ, "WORKDIR": ""}).secrets()]
    seeds = Seeds(seed_folder() if config is None else config.resolve().parent, seed_files)
    return specs, seeds, rules_for(None, config, secrets, os.environ)
