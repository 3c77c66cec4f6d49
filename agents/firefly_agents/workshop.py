"""Where exploring sessions get their servers from: pools of processes in sandboxes, and recording proxies over them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from firefly_agents.offline.files import Folder
from firefly_agents.pool import ServerPool
from firefly_agents.sandboxes import check_seeds
from firefly_agents.settings import ExploreSettings
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool
from firefly_proxies.connect import WORKDIR, Connector
from firefly_proxies.record import RecordFactory
from firefly_proxies.sandbox import common_place


class Workshop:
    """One folder of sandboxes, removed at the end."""

    def __init__(
        self,
        recording: Recording,
        specs: Mapping[str, ServerSpec],
        settings: ExploreSettings,
    ) -> None:
        """Prepare; nothing is started yet.

        Raises:
            ConfigError: a seed file is missing or a variable of a spec is not set.
        """
        check_seeds(settings.seeds, specs.values())
        self.recording = recording
        self.specs = dict(specs)
        self.seeds = settings.seeds
        self.starts = 0
        self._settings = settings
        variables = {**os.environ, WORKDIR: ""}
        self._secrets = {name: spec.expanded(variables).secrets() for name, spec in self.specs.items()}
        self._folder = Path(tempfile.mkdtemp(prefix="firefly-explore-"))

    def pool(self, shareable: Callable[[str], bool]) -> ServerPool:
        """A pool of server processes, each in a sandbox of its own; those of ``shareable`` servers serve many sessions."""
        settings = self._settings
        connector = Connector(
            sandbox=self._folder,
            prepare=self.seeds.prepare,
            offline=settings.offline,
            start_seconds=settings.budget.start_seconds,
            tidy=True,
        )
        return ServerPool(connector, shareable, self._count_start, live=settings.live, rate=settings.rate)

    def files(self) -> dict[str, Folder]:
        """The files that each server finds in its working folder, and where it sees that folder."""
        place = common_place()
        root = "" if place is None else str(place / "work")
        return {
            name: Folder.of(self.seeds.contents(spec), root) for name, spec in self.specs.items() if spec.command is not None
        }

    def factory(self, servers: Iterable[str], kind: str, labels: Mapping[str, Any], pool: ServerPool) -> RecordFactory:
        """A recording proxy over some of the servers."""
        specs = {name: self.specs[name] for name in servers}
        secrets = [secret for name in specs for secret in self._secrets[name]]
        return RecordFactory(
            self.recording,
            specs,
            redactor=Redactor(secrets, rules=self._settings.redaction),
            kind=kind,
            labels=labels,
            connect=pool.connect,
        )

    def allowed(self, tool: Tool) -> bool:
        """A tool that may destroy is offered only where it can reach nothing but its sandbox."""
        sandboxed = self.specs[tool.server].command is not None
        return sandboxed or self._settings.allow_destructive or tool.annotations.get("destructiveHint") is not True

    def clean_up(self) -> None:
        """Remove the sandboxes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _count_start(self) -> None:
        self.starts += 1
