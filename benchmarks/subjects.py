"""What ``relay.py`` measures: the echo server itself, and each proxy before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Measured, echo_server, free_port, recorder
from firefly_mcp.store.recording import Recording

CASSETTE = "mcp-cassette[http]==0.4.0"
_CASSETTE_PYTHON = "3.12"
"""mcp-cassette 0.4 does not install on an older one."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "firefly-benchmarks"


@dataclass
class Subject:
    """A server to be called: the process whose cost is counted, and how much of it one level may ask."""

    name: str
    process: Measured
    share: float = 1.0
    """Its part of the calls of a level: the slow ones get fewer."""

    @property
    def ours(self) -> bool:
        """Whether it must not fail."""
        return self.name == "direct" or self.name.startswith("firefly")


@contextmanager
def subjects(folder: Path, filled: list[int], *, peers: bool, python: str | None) -> Iterator[tuple[list[Subject], list[str]]]:
    """All subjects, running, and why others are not among them.

    Args:
        folder: for recordings and logs.
        filled: firefly also runs on a file with so many calls.
        peers: other people's proxies too.
        python: the interpreter for mcp-cassette; found when None.
    """
    skipped: list[str] = []
    with ExitStack() as stack:

        def keep(name: str, process: Measured, share: float = 1.0) -> None:
            stack.callback(process.stop)
            found.append(Subject(name, process, share))

        found: list[Subject] = []
        keep("direct", echo_server(folder / "echo.log"))
        url = found[0].process.url
        keep("firefly, HTTP upstream", recorder(folder / "http.db", folder / "http.log", upstream=url))
        keep("firefly, stdio upstream", recorder(folder / "stdio.db", folder / "stdio.log", upstream=None))
        for count in filled:
            store = folder / f"after{count}.db"
            fill(store, count)
            keep(f"firefly, after {count:,} calls", recorder(store, folder / f"{count}.log", upstream=url))
        if not peers:
            yield found, ["peers: left out (--no-peers)"]
            return
        port = free_port()
        code = (
            "import sys; from fastmcp.server import create_proxy;"
            "create_proxy(sys.argv[1]).run(transport='http', port=int(sys.argv[2]), show_banner=False, log_level='ERROR')"
        )
        keep("fastmcp create_proxy", Measured([sys.executable, "-c", code, url, str(port)], port, folder / "fastmcp.log"), 0.04)
        try:
            program = cassette(python)
            port = free_port()
            argv = [str(program), "record", "--cassette", str(folder / "c.json"), "--url", url, "--port", str(port)]
            keep("mcp-cassette record", Measured(argv, port, folder / "cassette.log"), 0.25)
        except (RuntimeError, OSError) as trouble:
            skipped.append(f"mcp-cassette record: {trouble}")
        yield found, skipped


def cassette(python: str | None) -> Path:
    """The mcp-cassette program, installed on first use into a virtual environment of its own.

    Raises:
        RuntimeError: it cannot be installed; says why in one line.
    """
    home = CACHE / "mcp-cassette-0.4.0"
    program = home / "bin" / "mcp-cassette"
    if program.exists():
        return program
    candidates = [python] if python else [_CASSETTE_PYTHON, *_pythons()]
    for candidate in candidates:
        made = _quietly("uv", "venv", "--clear", "--python", candidate, str(home))
        if made is None:
            break
    else:
        shutil.rmtree(home, ignore_errors=True)
        raise RuntimeError(f"it wants Python {_CASSETTE_PYTHON} or newer, name one with --cassette-python ({made})")
    trouble = _quietly("uv", "pip", "install", "--python", str(home / "bin" / "python"), CASSETTE)
    if trouble is not None:
        shutil.rmtree(home, ignore_errors=True)
        raise RuntimeError(f"cannot be installed ({trouble})")
    return program


def _pythons() -> list[str]:
    """Newer interpreters that lie where version managers put them."""
    homes = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python"))
    return [str(path) for path in homes]


def _quietly(*argv: str) -> str | None:
    """Run a command; None if it worked, else the last line that it wrote."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return str(trouble)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].strip()


def fill(store: Path, count: int) -> None:
    """Put so many recorded calls into a fresh file, all different, as the proxy writes them."""
    with Recording(store, create=True) as recording:
        recording.add_server("echo")
        recording.db.pragma("synchronous", "off")
        writer = recording.begin_session("record", key="filled")
        for number in range(count):
            message = f"filled {number}"
            call = writer.begin_call("echo", "tools/call", {"name": "echo", "arguments": {"message": message}})
            writer.end_call(call, result={"content": [{"type": "text", "text": f"Echo: {message}"}], "isError": False})
        writer.end()
