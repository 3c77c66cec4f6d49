"""What the commands that hold live sessions on a recording have in common: their options, and the settings made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from firefly_mcp.cli.exploring import seed_files_option

if TYPE_CHECKING:
    from firefly_agents.sandboxes import Seeds
    from firefly_agents.settings import ExploreSettings
    from firefly_mcp.redaction_rules import RedactionRules

Command = TypeVar("Command", bound=Callable[..., Any])


def living_options(command: Command) -> Command:
    """The options of a command that holds live sessions; :func:`living_settings` takes their values."""
    for option in reversed(
        (
            click.option(
                "--config",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Servers, as the desktop clients write them (mcpServers). Without it: the bundled offline servers.",
            ),
            click.option("--server", "servers", multiple=True, metavar="NAME", help="Only this server; may be repeated."),
            click.option("--seed", type=int, default=0, show_default=True, help="Of all choices."),
            click.option(
                "--concurrency", type=click.IntRange(1, 64), default=3, show_default=True, help="Sessions held at once."
            ),
            click.option(
                "--live", type=click.IntRange(min=1), default=16, show_default=True, help="Server processes that live at once."
            ),
            click.option(
                "--max-seconds", type=click.FloatRange(min=1), default=None, help="Begin no more sessions after so long."
            ),
            click.option(
                "--session-seconds", type=click.FloatRange(min=1), default=120, show_default=True, help="Of one session."
            ),
            click.option(
                "--start-seconds", type=click.FloatRange(min=1), default=180, show_default=True, help="For servers to start."
            ),
            click.option("--offline", is_flag=True, help="Cut the servers' network where the system can."),
            seed_files_option,
        )
    ):
        command = option(command)
    return command


def living_settings(told: dict[str, Any], seeds: Seeds, rules: RedactionRules) -> ExploreSettings:
    """The settings that the values of :func:`living_options` ask for."""
    from firefly_agents.settings import Budget, ExploreSettings

    return ExploreSettings(
        seed=told["seed"],
        concurrency=told["concurrency"],
        live=told["live"],
        max_seconds=told["max_seconds"],
        budget=Budget(seconds=told["session_seconds"], start_seconds=told["start_seconds"]),
        seeds=seeds,
        offline=told["offline"],
        redaction=rules,
    )
