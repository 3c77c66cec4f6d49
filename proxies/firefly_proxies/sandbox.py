"""A private place for a server process: its folders, where it sees them, and what it may write to."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firefly_proxies import confine
from firefly_proxies.confine import landlock_version
from firefly_proxies.fence import MOST

_FOLDERS = ("home", "work", "tmp")
_PLACES = ("/srv", "/mnt", "/media")
"""Folders of every Linux that are there to be mounted on and mostly empty."""


@dataclass(frozen=True)
class Sandbox:
    """A private place for one child: its HOME, working folder and temporary folder.

    Attributes:
        root: where it is.
        shown: where the child sees it: the same for every sandbox, so that no path in a result tells one from another; ``root``
            itself where the system cannot do that.
    """

    root: Path
    shown: Path

    @classmethod
    def create(cls, parent: Path, name: str, shown: Path | None = None) -> Sandbox:
        """Make a fresh one below ``parent``, which its child shall see at ``shown``."""
        parent.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        for folder in _FOLDERS:
            (root / folder).mkdir()
        return cls(root, shown or root)

    @property
    def home(self) -> Path:
        """The child's HOME, as the child sees it."""
        return self.shown / "home"

    @property
    def work(self) -> Path:
        """The child's working folder as the child sees it, and the value of ``${WORKDIR}``."""
        return self.shown / "work"

    @property
    def temporary(self) -> Path:
        """The child's TMPDIR, as the child sees it."""
        return self.shown / "tmp"

    @property
    def work_here(self) -> Path:
        """The child's working folder, as this process sees it."""
        return self.root / "work"


@functools.cache
def common_place() -> Path | None:
    """A folder at which every sandbox can be shown to its own child; None where the system does not let us mount."""
    with tempfile.TemporaryDirectory() as probe:
        for place in map(Path, _PLACES):
            if not place.is_dir() or place.is_symlink() or any(place.iterdir()):
                continue  # what is in it might be needed
            try:
                done = subprocess.run(
                    [*_in_sandbox(["--show", f"{probe}={place}", "--in", str(place)]), "true"],
                    capture_output=True,
                    timeout=10,
                    check=False,
                )
            except (OSError, subprocess.SubprocessError):
                return None
            if done.returncode == 0:
                return place
    return None


@functools.cache
def _can_confine() -> bool:
    return landlock_version() > 0


def _in_sandbox(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", confine.__file__, *options, "--"]


def confined(argv: Sequence[str], sandbox: Sandbox, cwd: str | Path | None, more: Sequence[str] = ()) -> list[str]:
    """The command in its sandbox, shown to it where the sandbox says.

    Where the system can confine, it may write only there, to ``cwd``, to devices and below ``more``.
    """
    options = []
    if sandbox.shown != sandbox.root:
        options += ["--show", f"{sandbox.root}={sandbox.shown}", "--in", str(cwd or sandbox.work)]
        options += ["--processes", str(MOST)]
    if _can_confine():
        folders = [sandbox.shown, *([] if cwd is None else [cwd]), *more, "/dev"]
        options += [part for folder in folders for part in ("--write", str(folder))]
    return [*_in_sandbox(options), *argv] if options else list(argv)
