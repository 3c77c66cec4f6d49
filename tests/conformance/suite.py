"""The official conformance suite: fetched from npm into a folder of its own, run against a URL, its summary read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUITE = "@modelcontextprotocol/conformance"
SUITE_VERSION = "0.2.0-alpha.12"
NODE_VERSION = "22.23.3"
"""The suite needs Node 22 or newer; this one comes from npm where the machine's own is older."""
SCENARIOS = {"2025-11-25": 33, "2026-07-28": 40}
"""Scenarios of the pinned suite, by protocol version."""
INSTALL_SECONDS = 240
SUITE_SECONDS = 300
"""For one run. An idle machine with 2 cores needs 6 s, and 40 s where each session starts a process."""
_NODE_MAJOR = 22
_LINE = re.compile(r"^[✓✗] (?P<scenario>\S+): (?P<passed>\d+) passed, (?P<failed>\d+) failed", re.MULTILINE)


class MissingError(Exception):
    """What the suite needs is not to be had here."""


class BrokenError(Exception):
    """The suite, or something that it was to be run against, did not work."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the suite found: checks passed and failed, by scenario, and how many recommendations were not met."""

    checks: Mapping[str, tuple[int, int]]
    warnings: int = 0

    @property
    def failed(self) -> frozenset[str]:
        """The scenarios with a failed check."""
        return frozenset(scenario for scenario, (_, failed) in self.checks.items() if failed)

    @property
    def passed(self) -> int:
        """How many scenarios passed."""
        return len(self.checks) - len(self.failed)

    def __str__(self) -> str:
        passed, failed = (sum(counts) for counts in zip(*self.checks.values(), strict=True))
        warned = f", {self.warnings} warned" if self.warnings else ""
        return f"{self.passed} of {len(self.checks)} ({passed}/{failed}{warned})"


class Suite:
    """The installed suite."""

    def __init__(self, node: Path, script: Path) -> None:
        self._node = node
        self._script = script

    @classmethod
    def ready(cls, folder: Path) -> Suite:
        """The suite in a folder, installed when it is not there.

        Raises:
            MissingError: npm, or the npm registry, is not there.
        """
        package = folder / "node_modules" / SUITE
        own_node = folder / "node_modules" / "node" / "bin" / "node"
        wanted = {SUITE: SUITE_VERSION}
        node = _node_of_this_machine()
        if node is None:
            node = own_node
            wanted["node"] = NODE_VERSION
        if not node.exists() or _version_of(package) != SUITE_VERSION:
            _install(folder, wanted)
        return cls(node, package / "dist" / "index.js")

    def run(self, url: str, version: str, log: Path) -> Outcome:
        """Run every scenario of a protocol version.

        Raises:
            BrokenError: the suite came to no summary, or to one of other scenarios than expected.
        """
        results = log.parent / f"{log.stem}-checks"
        argv = [str(self._node), str(self._script), "server", "--url", url, "--suite", "all", "--spec-version", version]
        try:
            done = subprocess.run([*argv, "-o", str(results)], capture_output=True, text=True, timeout=SUITE_SECONDS)
        except subprocess.TimeoutExpired:
            raise BrokenError(f"the suite did not end within {SUITE_SECONDS} s at {url}") from None
        log.write_text(done.stdout + done.stderr)
        _, _, summary = done.stdout.partition("=== SUMMARY ===")
        checks = {line["scenario"]: (int(line["passed"]), int(line["failed"])) for line in _LINE.finditer(summary)}
        if len(checks) != SCENARIOS[version]:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise BrokenError(
                f"{len(checks)} scenarios of {SCENARIOS[version]} were run at {url}; the suite ended with:\n{last}"
            )
        details = [check for file in results.glob("*/checks.json") for check in json.loads(file.read_text())]
        return Outcome(checks, sum(check.get("status") == "WARNING" for check in details))


def _node_of_this_machine() -> Path | None:
    """The machine's own Node, if it is new enough."""
    found = shutil.which("node")
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    major = told.strip().removeprefix("v").partition(".")[0]
    return Path(found) if major.isdigit() and int(major) >= _NODE_MAJOR else None


def _version_of(package: Path) -> str | None:
    try:
        return str(json.loads((package / "package.json").read_text())["version"])
    except (OSError, ValueError, KeyError):
        return None


def _install(folder: Path, wanted: Mapping[str, str]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm is not installed; it comes with Node.js")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": dict(wanted)}, indent=2))
    print(f"conformance: installing {SUITE}@{SUITE_VERSION} into {folder.name}", flush=True)
    argv = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", f"--prefix={folder}"]
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise MissingError(f"npm did not fetch the suite within {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        why = next((line for line in done.stderr.splitlines() if "error" in line.lower()), "it said nothing")
        raise MissingError(f"npm could not fetch the suite: {why}")
