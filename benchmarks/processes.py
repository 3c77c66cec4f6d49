"""The processes that are measured: started on a free port, asked what they use, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_SECONDS = 60.0
ECHO = Path(__file__).with_name("echo.py")


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Measured:
    """A process of ours that serves at a port, and what the kernel knows of it. Its children are not counted."""

    def __init__(
        self, argv: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None, patience: float = START_SECONDS
    ) -> None:
        """Start it and wait until its port is open, at most ``patience`` seconds.

        Raises:
            RuntimeError: it ended, or its port did not open in time; says what it wrote.
        """
        self.port = port
        self.url = f"http://127.0.0.1:{port}/mcp"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
            )
        give_up = time.monotonic() + patience
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"{argv[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def cpu_seconds(self) -> float:
        """Processor time of its threads so far, by the scheduler's own count: the ticks in ``stat`` are 10 ms."""
        tasks = list(Path(f"/proc/{self.pid}/task").glob("*/schedstat"))
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def handles(self) -> int:
        """Open file handles, sockets included."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def children(self) -> list[int]:
        """The processes that it has started and that are left."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]

    def kill(self) -> None:
        """SIGKILL to it alone, and wait for its end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it and everything of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def echo_server(log: Path) -> Measured:
    """The bare ASGI echo server."""
    port = free_port()
    return Measured([sys.executable, str(ECHO), str(port)], port, log)


def recorder(store: Path, log: Path, *, upstream: str | None) -> Measured:
    """``firefly record --http`` before a server at a URL, or before the echo server on standard streams."""
    port = free_port()
    argv = [sys.executable, "-m", "firefly_mcp", "record", "--store", str(store), "--http", str(port)]
    if upstream is None:
        argv += ["--", sys.executable, "-S", str(ECHO)]
    else:
        config = store.with_suffix(".json")
        config.write_text(f'{{"mcpServers": {{"echo": {{"url": "{upstream}"}}}}}}')
        argv += ["--config", str(config)]
    return Measured(argv, port, log)
