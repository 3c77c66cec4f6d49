"""The options of ``firefly replay`` around the look-up: rules, what a miss is answered with, pace, faults."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from firefly_mcp.cli.output import note
from firefly_mcp.errors import UsageError
from firefly_mcp.redaction_rules import RedactionRules
from firefly_mcp.store.recording import Recording

if TYPE_CHECKING:
    from firefly_mcp.replay.rules import ReplayRules
    from firefly_mcp.servers.config import ServerSpec
    from firefly_proxies.replay_conversation import Wrap

_Command = TypeVar("_Command", bound=Callable[..., Any])

rules_option = click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rules per tool; without it replay.toml beside the recording, if there is one.",
)
_OPTIONS = (
    rules_option,
    click.option(
        "--on-miss",
        type=click.Choice(["error", "simulate", "live"]),
        default="error",
        show_default=True,
        help="What a miss is answered with: an error that says so, what a model writes, or what the real server says.",
    ),
    click.option(
        "--simulate-model",
        metavar="MODEL",
        help="With --on-miss simulate: a model at OPENAI_BASE_URL, with OPENAI_API_KEY.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="With --on-miss live: the real servers (mcpServers), by their names in the recording.",
    ),
    click.option(
        "--pace",
        type=click.FloatRange(min=0),
        is_flag=False,
        flag_value=1.0,
        metavar="[FACTOR]",
        help="Answer as slowly as the server did, times FACTOR (1 without it); at most a minute.",
    ),
    click.option(
        "--faults-seed",
        type=int,
        default=0,
        show_default=True,
        metavar="N",
        help="Draws which calls meet the faults of --rules.",
    ),
    click.argument("argv", nargs=-1, metavar="[-- COMMAND ARG...]", type=click.UNPROCESSED),
)


def step_options(command: _Command) -> _Command:
    """Add the options; the command gets their values as :class:`Steps` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Steps:
    """What the user said. Nothing is open, so that it can be carried into other processes."""

    rules_file: Path | None = None
    on_miss: str = "error"
    simulate_model: str | None = None
    config: Path | None = None
    pace: float | None = None
    faults_seed: int = 0
    argv: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse combinations that mean nothing.

        Raises:
            UsageError: an option is missing, or there without the one that it belongs to.
        """
        if (self.on_miss == "simulate") != (self.simulate_model is not None):
            raise UsageError("--on-miss simulate and --simulate-model MODEL belong together")
        if self.on_miss != "live" and (self.config is not None or self.argv):
            raise UsageError("--config FILE and -- COMMAND name real servers, and those are asked with --on-miss live only")
        if self.on_miss == "live" and (self.config is None) == (not self.argv):
            raise UsageError("--on-miss live needs the real servers: --config FILE or -- COMMAND ARG..., one of them")

    def rules(self, store: Path) -> ReplayRules:
        """The rules of ``--rules``, or of the file beside the recording.

        Raises:
            ConfigError: a mistake in the file.
        """
        from firefly_mcp.replay.rules_file import replay_rules_for

        return replay_rules_for(self.rules_file, store, note)

    def wraps(
        self, recording: Recording, rules: ReplayRules, servers: tuple[str, ...], redaction: RedactionRules
    ) -> list[Wrap]:
        """The steps around the look-up, the innermost first.

        Args:
            recording: open.
            rules: see :meth:`rules`.
            servers: those that are replayed; all when empty.
            redaction: rules of ``--redaction``.

        Raises:
            FireflyError: the model or a real server is not configured as it must be.
        """
        from firefly_proxies.faults import Faults
        from firefly_proxies.pace import Pace

        found: list[Wrap] = []
        if self.on_miss == "simulate":
            found.append(self._simulated(recording))
        elif self.on_miss == "live":
            found.append(self._live(recording, servers, redaction))
        if self.pace is not None:
            found.append(Pace(self.pace))
        if rules.faults:
            found.append(Faults(rules.faults, self.faults_seed))
        return found

    def _simulated(self, recording: Recording) -> Wrap:
        from firefly_proxies.chat import ChatModel
        from firefly_proxies.on_miss import OnMiss, Simulated
        from firefly_proxies.simulate import Simulator

        assert self.simulate_model is not None
        return OnMiss(Simulated(Simulator(recording, ChatModel.from_environment(self.simulate_model))))

    def _live(self, recording: Recording, servers: tuple[str, ...], redaction: RedactionRules) -> Wrap:
        from firefly_mcp.redact import Redactor
        from firefly_mcp.replay.forms import RequestForms
        from firefly_proxies.child import check_command
        from firefly_proxies.live import Live
        from firefly_proxies.on_miss import OnMiss

        specs = self._specs(recording, servers)
        full = [spec.expanded(os.environ) for spec in specs.values()]
        for spec in full:
            if spec.command is not None:
                check_command(spec)
        secrets = [secret for spec in full for secret in spec.secrets()]
        redactor = Redactor(secrets, rules=RequestForms(recording, redaction).rules)
        return OnMiss(Live(recording, specs, redactor=redactor))

    def _specs(self, recording: Recording, servers: tuple[str, ...]) -> dict[str, ServerSpec]:
        """The real servers under the recording's names."""
        from dataclasses import replace

        from firefly_mcp.servers.config import load_servers, spec_from_command
        from firefly_mcp.store import queries

        recorded = [name for name in queries.servers(recording) if not servers or name in servers]
        if self.argv:
            if len(recorded) != 1:
                raise UsageError(f"-- COMMAND is one server, and the recording has {len(recorded)}; pick it with --server NAME")
            return {recorded[0]: replace(spec_from_command(self.argv), name=recorded[0])}
        assert self.config is not None
        specs = load_servers(self.config)
        silent = [name for name in recorded if name not in specs]
        if len(silent) == len(recorded):
            raise UsageError(f"{self.config}: has none of the recorded servers: {', '.join(recorded)}")
        for name in silent:
            note(f"{self.config} does not have {name}: its misses stay misses")
        return {name: specs[name] for name in recorded if name in specs}
