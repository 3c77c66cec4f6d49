"""What ``replay.py`` measures: our replay and other people's over the same recorded calls, and the bare floor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peers, recorded
from benchmarks.processes import Measured, echo_server, free_port

FLOOR = "bare ASGI echo"
_SESSIONS = 64
_INDEX_SECONDS = 900.0
"""The first start indexes: a million calls take their time."""


class Tree(Measured):
    """A process that is counted with those that it has started."""

    def cpu_seconds(self) -> float:
        """Processor time of all of them."""
        return sum(_cpu(pid) for pid in (self.pid, *self.children()))

    def rss_mib(self) -> float:
        """Resident memory of all of them; pages that they share count for each."""
        return super().rss_mib() + sum(_rss(pid) for pid in self.children())


def _cpu(pid: int) -> float:
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _rss(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


@dataclass
class Served:
    """A server of recorded calls, not running yet.

    Attributes:
        name: what it is.
        count: recorded calls.
        start: runs it and gives the process.
        calls: of one level, at most.
        anew: it is started for each level, because it serves each recorded call once.
    """

    name: str
    count: int
    start: Callable[[], Measured]
    calls: int
    anew: bool = False

    @property
    def ours(self) -> bool:
        """Whether it must not fail."""
        return self.name == FLOOR or self.name.startswith("firefly")


@dataclass
class Spoken:
    """A server of recorded calls on standard streams."""

    name: str
    count: int
    argv: list[str]
    calls: int


@dataclass
class Field:
    """All that is measured, and why others are not."""

    served: list[Served] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def field_of(folder: Path, counts: Sequence[int], most: int, calls: int, *, with_peers: bool, python: str | None) -> Field:
    """Write the recordings, and say how each server is run.

    Args:
        folder: for recordings and logs.
        counts: recorded calls at which all are measured.
        most: recorded calls at which ours alone is measured too; 0 for none.
        calls: of one level.
        with_peers: other people's too.
        python: the interpreter for mcp-cassette; found when None.
    """
    out = Field()
    out.served.append(Served(FLOOR, 0, lambda: echo_server(folder / "echo.log"), calls))
    programs = _programs(out, python) if with_peers else {}
    for count in [*counts, *([most] if most else [])]:
        store = folder / f"firefly-{count}.db"
        recorded.firefly(store, count)
        out.served.append(_ours(store, count, calls))
        out.spoken.append(Spoken("firefly, stdio", count, _replay(store), calls))
        if count == max(counts):
            out.served.append(_ours(store, count, calls, "--workers", "2"))
        if count == most:
            continue
        for name, program in programs.items():
            _peer(out, folder, name, program, count, calls)
    if not with_peers:
        out.skipped.append("peers: left out (--no-peers)")
    return out


def _programs(out: Field, python: str | None) -> dict[str, Path]:
    found: dict[str, Path] = {}
    sources: dict[str, Callable[[], Path]] = {
        "mcp-cassette": lambda: peers.cassette(python),
        "mcp-recorder": peers.recorder,
        "mcp-rec": peers.rec,
    }
    for name, get in sources.items():
        try:
            found[name] = get()
        except (RuntimeError, OSError) as trouble:
            out.skipped.append(f"{name}: {trouble}")
    return found


def _replay(store: Path) -> list[str]:
    return [sys.executable, "-m", "firefly_mcp", "replay", "--store", str(store)]


def _ours(store: Path, count: int, calls: int, *extra: str) -> Served:
    def start() -> Measured:
        port = free_port()
        kind = Tree if extra else Measured
        argv = [*_replay(store), "--http", str(port), *extra]
        return kind(argv, port, store.with_suffix(".log"), patience=_INDEX_SECONDS)

    return Served(" ".join(["firefly", *extra]).replace("firefly -", "firefly, -"), count, start, calls)


def _peer(out: Field, folder: Path, name: str, program: Path, count: int, calls: int) -> None:
    log = folder / f"{name}-{count}.log"
    # Two of them look through their recording from its beginning, up to a tenth of a second for a call.
    few = calls if count <= 1000 else calls // 4 if count <= 10_000 else 64
    if name == "mcp-cassette":
        http, stdio = folder / f"cassette-{count}.json", folder / f"cassette-stdio-{count}.json"
        recorded.cassette(http, count, http=True)
        recorded.cassette(stdio, count, http=False)
        argv = [str(program), "serve", "--ordering", "none"]
        out.served.append(Served("mcp-cassette serve", count, _at_port([*argv, str(http)], log), few))
        out.spoken.append(Spoken("mcp-cassette serve, stdio", count, [*argv, str(stdio)], few))
    elif name == "mcp-recorder":
        path = folder / f"recorder-{count}.json"
        recorded.recorder(path, count, sessions=_SESSIONS)
        argv = [str(program), "replay", "--cassette", str(path)]
        out.served.append(Served("mcp-recorder replay", count, _at_port(argv, log), min(few, count // 2), anew=True))
    else:
        path = folder / f"rec-{count}.jsonl"
        recorded.rec(path, count)
        out.spoken.append(Spoken("mcp-rec replay", count, [str(program), "replay", str(path)], calls))


def _at_port(argv: list[str], log: Path) -> Callable[[], Measured]:
    def start() -> Measured:
        port = free_port()
        return Measured([*argv, "--port", str(port)], port, log)

    return start


@contextmanager
def running(served: Served) -> Iterator[Measured]:
    """The server for the length of the block."""
    process = served.start()
    try:
        yield process
    finally:
        process.stop()
