"""The processes that a run starts, and their end: none may outlive it, however it ends.

Each is started in a session of its own with a mark in its environment. Ray's daemons leave their parents, but keep the mark.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

_MARK = "FIREFLY_TRAIN_RUN"
MEASURED_EVERY = 5.0
"""Seconds between two looks at what the processes have used."""
PATIENCE = 15.0
"""Seconds between asking a process to end and ending it."""


class Children:
    """A context in which child processes run."""

    def __init__(self) -> None:
        """Have none yet."""
        self._mark = uuid.uuid4().hex
        self._started: list[subprocess.Popen[bytes]] = []
        self._afterwards: list[Callable[[], object]] = []
        self._used: dict[tuple[int, int], float] = {}
        self._measured = float("-inf")

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a command. ctrl-C in the terminal does not reach it; :meth:`stop` does."""
        process = subprocess.Popen(
            list(command),
            env={**environment, _MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def afterwards(self, action: Callable[[], object]) -> None:
        """Do something once all have ended."""
        self._afterwards.append(action)

    def stop(self) -> None:
        """End all of them, newest first: interrupt, then terminate, then kill; at last whatever carries the mark.

        A second ctrl-C does not cut this short; it is bounded by :data:`PATIENCE`.
        """
        with _undisturbed():
            self._stop()

    def _stop(self) -> None:
        for process in reversed(self._started):
            for number, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGTERM, PATIENCE / 3), (signal.SIGKILL, PATIENCE)):
                if process.poll() is not None:
                    break
                _send(process.pid, number)
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
        self._started.clear()
        self._end_marked()
        for action in self._afterwards:
            action()
        self._afterwards.clear()

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that this run's processes had used when they were last looked at, those that ended since included."""
        return sum(self._used.values())

    def measure(self) -> None:
        """Look at what the processes have used; does nothing if that was done just now."""
        now = time.monotonic()
        if now - self._measured < MEASURED_EVERY:
            return
        self._measured = now
        for pid in self.marked():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # After the name: user and system time are fields 14 and 15 of the line, the start time is field 22.
            self._used[(pid, int(fields[19]))] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def marked(self) -> list[int]:
        """The ids of running processes that carry this run's mark; empty where there is no ``/proc``."""
        wanted = f"{_MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                carries = wanted in (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # gone, or another user's
                continue
            if carries and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found

    def _end_marked(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = self.marked()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + PATIENCE / 3
            while any(_alive(pid) for pid in left) and time.monotonic() < deadline:
                time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Whether a process still runs: one that is dying keeps its id after its environment is gone, and a zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is done in this context as ctrl-C does: with nothing left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _undisturbed() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
