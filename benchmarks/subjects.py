"""What ``relay.py`` measures: the echo server itself, and each proxy before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import cassette
from benchmarks.processes import Measured, echo_server, free_port, recorder
from firefly_mcp.store.recording import Recording


@dataclass
class Subject:
    """A server to be called: the process whose cost is counted, and how much of it one level may ask."""

    name: str
    process: Measured
    share: float = 1.0
    """Its part of the calls of a level: the slow ones get fewer."""
    upstream: Measured | None = None
    """The echo server that it calls over HTTP, whose own cost at this pace is a second floor."""

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

        def keep(name: str, process: Measured, share: float = 1.0, upstream: Measured | None = None) -> None:
            stack.callback(process.stop)
            found.append(Subject(name, process, share, upstream))

        found: list[Subject] = []
        keep("direct", echo_server(folder / "echo.log"))
        echo = found[0].process
        url = echo.url
        keep("firefly, HTTP upstream", recorder(folder / "http.db", folder / "http.log", upstream=url), upstream=echo)
        keep("firefly, stdio upstream", recorder(folder / "stdio.db", folder / "stdio.log", upstream=None))
        for count in filled:
            store = folder / f"after{count}.db"
            fill(store, count)
            keep(f"firefly, after {count:,} calls", recorder(store, folder / f"{count}.log", upstream=url), upstream=echo)
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
