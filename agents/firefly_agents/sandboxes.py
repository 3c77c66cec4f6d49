"""A fresh folder for each server and run, and the name of the state that a run begins from.

Each server process gets its own HOME, working and temporary folder below one parent, with its seed files copied in. Runs that
begin from the same spec and the same seed files have one *origin id*; whether they really begin alike is proved elsewhere
(:mod:`firefly_agents.confirm`), for some servers keep state outside their folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies import deterministic

_DIGITS = 12
_MODIFIED = 1_735_689_600
"""2025-01-01: the time of every seed file, so that no listing tells one sandbox from another."""


def settings_of(spec: ServerSpec) -> Mapping[str, Any]:
    """A server's ``"firefly"`` key: ``seed`` (files), ``values`` (samples by argument name), ``deterministic``."""
    own = spec.extra.get("firefly")
    return own if isinstance(own, dict) else {}


class Seeds:
    """The seed files of servers, all below one folder; and files that every server gets."""

    def __init__(self, folder: Path, common: Path | None = None) -> None:
        """Look for seed files.

        Args:
            folder: what the paths of ``"firefly": {"seed": [...]}`` are relative to.
            common: a folder of which every server that names no seed files of its own gets a copy.

        Raises:
            ConfigError: ``common`` is no folder.
        """
        self.folder = folder
        self.common = common
        if common is not None and not common.is_dir():
            raise ConfigError(f"--seed-files {common}: no such folder")
        self._shared = sorted(path for path in common.rglob("*") if path.is_file()) if common is not None else []

    def contents(self, spec: ServerSpec) -> dict[str, Path]:
        """Where in a server's working folder which file goes, by its path there with slashes.

        Raises:
            ConfigError: a seed file is missing or lies outside the folder.
        """
        own = self.files(spec)
        if own or self.common is None:
            return {path.relative_to(self.folder.resolve()).as_posix(): path for path in own}
        return {path.relative_to(self.common).as_posix(): path for path in self._shared}

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
        contents = self.contents(spec)
        for name, path in contents.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)  # contents only: the copy must be writable
            os.utime(target, (_MODIFIED, _MODIFIED))
        if contents and wants_repository(spec):
            make_repository(work)

    def origin_id(self, spec: ServerSpec) -> str:
        """What a fresh sandbox of this server begins from: a hash of the redacted spec and of its seed files."""
        digests = [[name, hash_bytes(path.read_bytes())] for name, path in self.contents(spec).items()]
        stored = {key: value for key, value in spec.redacted().items() if key != "firefly"}
        still = ["deterministic"] if deterministic.wanted(settings_of(spec)) else []
        return hash_json([stored, digests, *still]).rpartition(":")[2][:_DIGITS]


def wants_repository(spec: ServerSpec) -> bool:
    """Whether a server's files are kept under git: where its command line or its configured name says git."""
    words = re.split(r"[^A-Za-z]+", " ".join([spec.name, str(spec.command), *spec.args]))
    return "git" in words and shutil.which("git") is not None


def make_repository(work: Path) -> None:
    """Put what is in a folder under git, in one commit that is the same wherever and whenever it is made."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{_MODIFIED} +0000",
        "GIT_COMMITTER_DATE": f"{_MODIFIED} +0000",
    }
    who = ["-c", "user.name=Ada Berg", "-c", "user.email=ada.berg@example.com"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["config", "user.name", "Ada Berg"],
        ["config", "user.email", "ada.berg@example.com"],
        ["add", "--all"],
        [*who, "commit", "--quiet", "--message", "First version"],
    ):
        subprocess.run(["git", *arguments], cwd=work, env=env, capture_output=True, timeout=30, check=False)


def check_seeds(seeds: Seeds, specs: Iterable[ServerSpec]) -> None:
    """Look for every seed file before anything is started.

    Raises:
        ConfigError: one is missing.
    """
    for spec in specs:
        seeds.files(spec)
