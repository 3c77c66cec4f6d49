"""A fence around a server's processes: how many there may be, and an end for all, also those that ran from their group.

A control group (version 1, or 2 where its controller is ours) where the system lets us make one. Elsewhere a limit of the
user's processes holds inside the server's user namespace, and only the process group is ended: see
:mod:`firefly_proxies.confine`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MOST = 256
"""Processes and threads of one server."""
_ROOT = Path("/sys/fs/cgroup")


class Fence:
    """A control group that holds one server's processes."""

    def __init__(self, folder: Path) -> None:
        """Use :func:`fence`."""
        self._folder = folder

    def end(self) -> None:
        """Kill whatever is left in it, and remove it."""
        for _ in range(20):
            with contextlib.suppress(OSError):
                for line in (self._folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(OSError):
                        os.kill(int(line), signal.SIGKILL)
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.01)  # a killed process leaves its group a moment later


def fence(pid: int, most: int = MOST) -> Fence | None:
    """Put a process that was just started behind a fence of its own; None where the system does not let us."""
    for parent in _parents():
        folder = parent / f"firefly-{pid}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / "pids.max").write_text(str(most))
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        return Fence(folder)
    return None


def _parents() -> list[Path]:
    """Where a group could be made: below our own, of the version that counts processes."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            found.append(_ROOT / "pids" / path.lstrip("/"))
        elif not controllers:
            found.append(_ROOT / path.lstrip("/"))
    return found
