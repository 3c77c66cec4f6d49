"""A fresh folder for each server and run, and the name of the state that a run begins from.

Each server process gets its own HOME, working and temporary folder below one parent, with its seed files copied in. Runs that
begin from the same spec and the same seed files have one *origin id*; whether they really begin alike is proved elsewhere
(:mod:`firefly_agents.confirm`), for some servers keep state outside their folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.config import ServerSpec

_DIGITS = 12


def settings_of(spec: ServerSpec) -> Mapping[str, Any]:
    """A server's ``"firefly"`` key: ``seed`` (files), ``values`` (samples by argument name)."""
    own = spec.extra.get("firefly")
    return own if isinstance(own, dict) else {}


class Seeds:
    """The seed files of servers, all below one folder."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is what the paths of ``"firefly": {"seed": [...]}`` are relative to."""
        self.folder = folder

    def files(self, spec: ServerSpec) -> list[Path]:
        """A server's seed files.

        Raises:
            ConfigError: one is missing or lies outside the folder.
        """
        found = []
        for name in settings_of(spec).get("seed", ()):
            path = (self.folder / str(name)).resolve()
            if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
                raise ConfigError(f"server {spec.name!r}: its seed file {name!r} is not in {self.folder}")
            found.append(path)
        return found

    def prepare(self, spec: ServerSpec, work: Path) -> None:
        """Copy a server's seed files into a fresh working folder.

        Raises:
            ConfigError: a seed file is missing.
        """
        for path in self.files(spec):
            target = work / path.relative_to(self.folder.resolve())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)  # contents only: the copy must be writable

    def origin_id(self, spec: ServerSpec) -> str:
        """What a fresh sandbox of this server begins from: a hash of the redacted spec and of its seed files."""
        digests = [[str(path.relative_to(self.folder.resolve())), hash_bytes(path.read_bytes())] for path in self.files(spec)]
        stored = {key: value for key, value in spec.redacted().items() if key != "firefly"}
        return hash_json([stored, digests]).rpartition(":")[2][:_DIGITS]


def check_seeds(seeds: Seeds, specs: Iterable[ServerSpec]) -> None:
    """Look for every seed file before anything is started.

    Raises:
        ConfigError: one is missing.
    """
    for spec in specs:
        seeds.files(spec)
