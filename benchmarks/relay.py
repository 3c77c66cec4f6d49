"""What a call costs through the recording proxy, side by side with calling directly and with other people's proxies.

    python -m benchmarks.relay            # all levels, three rounds
    python -m benchmarks.relay --quick    # what `make bench` runs

All servers run for the whole time and are called in turn, round by round, so that whatever else the machine does meets all
of them. CPU is that of the process alone, neither its upstream's nor the client's. Direct calls go to a bare ASGI echo: the
CPU of that process is the floor, and the proxy's cost is given as a multiple of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.subjects import Subject, subjects
from benchmarks.wire import LostError, RefusedError, Session

RESULTS = Path(__file__).with_name("results")
_TOP_FACTOR, _TOP_ADDED_MS, _TOP_GROWTH = 6.0, 1.0, 1.25


@dataclass
class Sample:
    """One level of one subject in one round."""

    p50_ms: float
    p99_ms: float
    cpu_ms: float
    per_second: float
    lost: int
    rss_mib: float
    echo_ms: float = math.nan
    """CPU of the echo server behind it, a call."""


@dataclass
class Row:
    """One subject at one level: medians over the rounds."""

    subject: str
    clients: int
    calls: int = 0
    samples: list[Sample] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median of one figure; infinite where every call of a round was lost."""
        return statistics.median(float(getattr(sample, name)) for sample in self.samples)


async def level(subject: Subject, clients: int, calls: int, mark: str) -> Sample:
    """``calls`` calls in all, from so many clients at once, each with a session of its own."""
    opened = [Session(subject.process.url) for _ in range(clients)]
    await asyncio.gather(*(one.open() for one in opened))
    times: list[float] = []
    lost = 0
    numbers = iter(range(calls))

    async def client(one: Session) -> None:
        nonlocal lost
        for number in numbers:
            message = f"{mark} call {number}: the quick brown fox jumps over the lazy dog"
            begun = time.perf_counter()
            try:
                result = await one.call("echo", {"message": message})
            except (LostError, RefusedError):
                lost += 1
                continue
            times.append(time.perf_counter() - begun)
            if result["content"][0]["text"] != f"Echo: {message}":
                raise AssertionError(f"{subject.name} gave back another call's answer")

    for one in opened:
        await one.call("echo", {"message": f"{mark} warming up"})
    echo = subject.upstream
    behind = echo.cpu_seconds() if echo else math.nan
    cpu, begun = subject.process.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(client(one) for one in opened))
    took, cpu = time.perf_counter() - begun, subject.process.cpu_seconds() - cpu
    behind = echo.cpu_seconds() - behind if echo else math.nan
    rss = subject.process.rss_mib()
    await asyncio.gather(*(one.end() for one in opened), return_exceptions=True)
    times.sort()
    if not times:
        return Sample(float("inf"), float("inf"), float("inf"), 0.0, lost, rss)
    p50, p99 = (times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.99))
    return Sample(p50, p99, cpu * 1000 / len(times), len(times) / took, lost, rss, behind * 1000 / len(times))


async def measure(found: list[Subject], levels: list[int], calls: int, rounds: int) -> list[Row]:
    """All subjects at all levels, interleaved."""
    rows: dict[tuple[str, int], Row] = {}
    for number in range(rounds):
        for clients in levels:
            for subject in found:
                wanted = max(int(calls * subject.share), clients, 8)
                row = rows.setdefault((subject.name, clients), Row(subject.name, clients, wanted))
                try:
                    sample = await level(subject, clients, wanted, f"round {number} of {clients}")
                except (LostError, RefusedError):
                    if subject.ours:
                        raise
                    sample = Sample(float("inf"), float("inf"), float("inf"), 0.0, wanted, subject.process.rss_mib())
                row.samples.append(sample)
                print(f"round {number + 1}, {clients} clients, {subject.name}: {sample.cpu_ms:.3f} ms CPU", file=sys.stderr)
    return list(rows.values())


def middle(row: Row, base: Row, compare: Callable[[Sample, Sample], float]) -> float:
    """The median over the rounds of a comparison within each."""
    return statistics.median(compare(one, other) for one, other in zip(row.samples, base.samples, strict=True))


def times(one: Sample, floor: Sample) -> float:
    """How many times the floor's processor time."""
    return one.cpu_ms / floor.cpu_ms


def added(one: Sample, floor: Sample) -> float:
    """Milliseconds by which the median call is slower."""
    return one.p50_ms - floor.p50_ms


def behind(row: Row) -> str:
    """How many times the processor time of the echo behind it, which meets the same pauses; a dash where that is not known."""
    ratio = statistics.median(sample.cpu_ms / sample.echo_ms for sample in row.samples)
    return "-" if math.isnan(ratio) else f"{ratio:.1f}"


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    floors = {row.clients: row for row in rows if row.subject == "direct"}
    lines = [
        "| | clients | CPU ms a call | x floor at 1 client | x floor, same clients | x echo behind | p50 ms | p50 added"
        " | p99 ms | calls/s | RSS MiB | lost |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        floor = floors[row.clients]
        lines.append(
            f"| {row.subject} | {row.clients} | {row.median('cpu_ms'):.3f} | {middle(row, floors[1], times):.1f}"
            f" | {middle(row, floor, times):.1f} | {behind(row)} | {row.median('p50_ms'):.2f}"
            f" | {middle(row, floor, added):+.2f} | {row.median('p99_ms'):.1f} | {row.median('per_second'):.0f}"
            f" | {row.median('rss_mib'):.0f} | {sum(sample.lost for sample in row.samples)} of {row.calls * len(row.samples)} |"
        )
    return "\n".join(lines)


def misses(rows: list[Row]) -> list[str]:
    """What falls short of the bars, one line each. The bar on CPU is a multiple of one echo called by one client."""
    by_place = {(row.subject, row.clients): row for row in rows}
    said = []
    for (name, clients), row in by_place.items():
        if not name.startswith("firefly"):
            continue
        factor = middle(row, by_place["direct", 1], times)
        if factor > _TOP_FACTOR:
            said.append(f"{name}, {clients} clients: CPU {factor:.1f} times the floor, the bar is {_TOP_FACTOR:g}")
        more = middle(row, by_place["direct", clients], added)
        if clients == 1 and more > _TOP_ADDED_MS:
            said.append(f"{name}: p50 grows by {more:.2f} ms, the bar is {_TOP_ADDED_MS:g}")
        for base in ((name, 1), ("firefly, HTTP upstream", clients)):
            growth = middle(row, by_place[base], times)
            if growth > _TOP_GROWTH and ("stdio" in base[0]) == ("stdio" in name):
                said.append(
                    f"{name}, {clients} clients: CPU is not flat, {growth:.2f} times that of {base[0]}, {base[1]} clients"
                )
    return said


def machine() -> dict[str, Any]:
    """Where and when this ran."""
    load = round(os.getloadavg()[0], 1)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_at_start": load,
        "command": "python -m benchmarks.relay " + " ".join(sys.argv[1:]),
    }


def main() -> int:
    """Measure, print the table, write the figures, and say which bars were missed; that is no failure, machines differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of few calls, 10,000 recorded calls at most")
    parser.add_argument("--calls", type=int, help="calls of one level (2,000; quick 400)")
    parser.add_argument("--rounds", type=int, help="rounds (3; quick 2)")
    parser.add_argument("--no-peers", action="store_true", help="firefly and the floor alone")
    parser.add_argument("--cassette-python", metavar="PYTHON", help="Python 3.12 or newer, for mcp-cassette")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    options = parser.parse_args()
    calls = options.calls or (400 if options.quick else 2000)
    rounds = options.rounds or (2 if options.quick else 3)
    where = machine()
    with (
        tempfile.TemporaryDirectory(prefix="firefly-relay-") as folder,
        subjects(
            Path(folder),
            [10_000] if options.quick else [10_000, 100_000],
            peers=not options.no_peers,
            python=options.cassette_python,
        ) as (found, skipped),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rows = runner.run(measure(found, [1, 8, 32], calls, rounds))
    figures: dict[str, Any] = {"machine": where, "skipped": skipped, "missed": misses(rows), "rows": defaultdict(dict)}
    for row in rows:
        named = {name: row.median(name) for name in ("cpu_ms", "p50_ms", "p99_ms", "per_second", "rss_mib", "lost", "echo_ms")}
        figures["rows"][row.subject][row.clients] = {"calls": row.calls * rounds, **named}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "relay.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures) if options.json else table(rows))
    for line in [*skipped, *figures["missed"]]:
        print(line, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
