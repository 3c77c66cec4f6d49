"""What a replayed call costs: our replay beside other people's over the same recorded calls, and beside a bare echo.

    python -m benchmarks.replay            # 1,000, 10,000 and 100,000 recorded calls, ours at 1,000,000 too
    python -m benchmarks.replay --quick    # 1,000 and 10,000

All recorded calls are distinct, and any of them is asked for. In each round every server is called in turn with the floor right
before it, and ratios are formed within a round, so that whatever else the machine does meets both. CPU is that of the server's
process alone. ``--workers 2`` is called by two client processes, and so is one worker beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.processes import Measured
from benchmarks.recorded import message
from benchmarks.relay import RESULTS, machine
from benchmarks.replay_subjects import FLOOR, Field, Served, Spoken, field_of, running
from benchmarks.wire import VERSION, LostError, RefusedError, Session

LEVELS = (1, 8, 32)
_AT_LEAST_OF_FLOOR, _AT_LEAST_OF_CASSETTE, _CPU_FACTOR, _TOP_P50_MS, _STDIO = 0.5, 2.0, 2.0, 1.0, 5000
_IN_FLIGHT = 8


@dataclass
class Sample:
    """One level of one server in one round, and the floor's right before it."""

    per_second: float
    cpu_ms: float
    p50_ms: float
    lost: int
    floor: Sample | None = None


@dataclass
class Row:
    """One server at one number of recorded calls."""

    name: str
    count: int
    start_cpu: float = 0.0
    """Seconds until it has answered ``tools/list``."""
    first_start_cpu: float = 0.0
    """The same at the very first start, when ours indexes the recording."""
    start_rss: float = 0.0
    rss: float = 0.0
    levels: dict[int, list[Sample]] = field(default_factory=dict)

    def median(self, clients: int, name: str) -> float:
        """The median of a figure at one level."""
        return statistics.median(float(getattr(sample, name)) for sample in self.levels[clients])

    def of_floor(self, clients: int, name: str) -> float:
        """The median over the rounds of the figure as a multiple of the floor's in the same round."""
        pairs = [(sample, sample.floor) for sample in self.levels[clients] if sample.floor is not None]
        return statistics.median(float(getattr(one, name)) / float(getattr(floor, name)) for one, floor in pairs)


async def level(process: Measured, count: int, clients: int, calls: int, seed: int) -> Sample:
    """``calls`` calls at any position of the recording, from so many clients at once, each with a session of its own."""
    opened = [Session(process.url) for _ in range(clients)]
    await asyncio.gather(*(one.open() for one in opened))
    drawn = random.Random(seed)
    numbers = iter(_positions(drawn, count or 1_000_000, calls))
    times: list[float] = []
    lost = 0

    async def client(one: Session) -> None:
        nonlocal lost
        for number in numbers:
            begun = time.perf_counter()
            try:
                result = await one.call("echo", {"message": message(number)})
            except (LostError, RefusedError):
                lost += 1
                continue
            times.append(time.perf_counter() - begun)
            if result["content"][0]["text"] != f"Echo: {message(number)}":
                raise AssertionError(f"another call's answer: {result}")

    cpu, begun = process.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(client(one) for one in opened))
    took, cpu = time.perf_counter() - begun, process.cpu_seconds() - cpu
    await asyncio.gather(*(one.end() for one in opened), return_exceptions=True)
    if not times:
        return Sample(0.0, float("inf"), float("inf"), lost)
    return Sample(len(times) / took, cpu * 1000 / len(times), statistics.median(times) * 1000, lost)


def _positions(drawn: random.Random, count: int, calls: int) -> list[int]:
    """Any calls of the recording, none twice as long as there are enough."""
    return drawn.sample(range(count), calls) if calls <= count else [drawn.randrange(count) for _ in range(calls)]


async def started(served: Served, row: Row) -> None:
    """Start it twice for nothing but that: the first start may have to index."""
    for name in ("first_start_cpu", "start_cpu"):
        with running(served) as process:
            await _listed(process)
            setattr(row, name, process.cpu_seconds())
            row.start_rss = process.rss_mib()


async def _listed(process: Measured) -> None:
    one = Session(process.url)
    await one.open()
    await one.request("tools/list", {})
    await one.end()


async def measure(found: Field, rounds: int, floor_calls: int) -> list[Row]:
    """Every server, in rounds, each level with the floor right before it."""
    rows = [Row(served.name, served.count) for served in found.served]
    floor = found.served[0]
    with running(floor) as base:
        for served, row in zip(found.served[1:], rows[1:], strict=True):
            if "--workers" in served.name:
                continue
            await started(served, row)
            with ExitStack() as stack:
                process = None if served.anew else stack.enter_context(running(served))
                for clients in LEVELS:
                    await _rounds(base, process, served, row, rows[0], clients, rounds, floor_calls)
        rows[0].rss = rows[0].start_rss = base.rss_mib()
    return [row for row in rows if row.levels]


async def _rounds(
    base: Measured,
    kept: Measured | None,
    served: Served,
    row: Row,
    floor: Row,
    clients: int,
    rounds: int,
    floor_calls: int,
) -> None:
    for number in range(rounds):
        under = await level(base, 0, clients, floor_calls, number)
        with ExitStack() as stack:
            process = kept or stack.enter_context(running(served))
            try:
                sample = await level(process, served.count, clients, max(served.calls, clients), number)
            except (LostError, RefusedError):
                if served.ours:
                    raise
                sample = Sample(0.0, float("inf"), float("inf"), served.calls)
            row.rss = process.rss_mib()
        sample.floor = under
        floor.levels.setdefault(clients, []).append(under)
        row.levels.setdefault(clients, []).append(sample)
        print(
            f"{served.name} at {served.count:,}, {clients} clients: {sample.per_second:.0f}/s beside {under.per_second:.0f}/s,"
            f" {sample.cpu_ms:.3f} beside {under.cpu_ms:.3f} ms CPU",
            file=sys.stderr,
        )


async def workers(found: Field, rounds: int, calls: int) -> dict[str, Any]:
    """Calls a second of one worker and of two, each called by two client processes with 16 sessions each."""
    two = next(served for served in found.served if "--workers" in served.name)
    one = next(served for served in found.served if served.name == "firefly" and served.count == two.count)
    said: dict[str, list[float]] = {"1": [], "2": []}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(running(served)) for name, served in (("1", one), ("2", two))}
        for number in range(rounds):
            for name, process in processes.items():
                said[name].append(await _two_clients(process, two.count, calls, number))
    ratio = statistics.median(b / a for a, b in zip(said["1"], said["2"], strict=True))
    return {"per_second": {name: statistics.median(values) for name, values in said.items()}, "ratio": ratio}


async def _two_clients(process: Measured, count: int, calls: int, seed: int) -> float:
    argv = [sys.executable, "-m", "benchmarks.replay", "--client", process.url, str(count), str(calls)]
    running_ = [
        await asyncio.create_subprocess_exec(*argv, str(seed * 2 + half), stdout=asyncio.subprocess.PIPE) for half in (0, 1)
    ]
    told = await asyncio.gather(*(client.communicate() for client in running_))
    return sum(float(out) for out, _ in told)


def client(url: str, count: int, calls: int, seed: int) -> None:
    """Be one of two client processes: prints its calls a second."""

    class Elsewhere(Measured):
        def __init__(self) -> None:
            self.url = url

        def cpu_seconds(self) -> float:
            return 0.0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(level(Elsewhere(), count, 16, calls, seed)).per_second)


def speak(spoken: Spoken, rounds: int) -> dict[str, Any]:
    """Calls a second on standard streams with eight requests in flight, and what it takes to start. A process a round."""
    ready, rates = zip(*(_spoken_round(spoken, number) for number in range(rounds)), strict=True)
    told = {"name": spoken.name, "count": spoken.count}
    told |= {"seconds_to_ready": statistics.median(ready), "per_second": statistics.median(rates)}
    print(f"{spoken.name} at {spoken.count:,}: {told['per_second']:.0f}/s", file=sys.stderr)
    return told


def _spoken_round(spoken: Spoken, seed: int) -> tuple[float, float]:
    begun = time.perf_counter()
    process = subprocess.Popen(spoken.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        info = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}
        process.stdin.write(_line(0, "initialize", info))
        process.stdin.flush()
        process.stdout.readline()
        ready = time.perf_counter() - begun
        process.stdin.write(orjson.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}) + b"\n")
        numbers = _positions(random.Random(seed), spoken.count, min(spoken.calls, spoken.count))
        params = [{"name": "echo", "arguments": {"message": message(number)}} for number in numbers]
        lines = [_line(at, "tools/call", one) for at, one in enumerate(params, 1)]
        begun = time.perf_counter()
        for at, line in enumerate(lines):
            process.stdin.write(line)
            process.stdin.flush()
            if at >= _IN_FLIGHT:
                _expect(process.stdout.readline(), numbers)
        for _ in lines[:_IN_FLIGHT]:
            _expect(process.stdout.readline(), numbers)
        return ready, len(lines) / (time.perf_counter() - begun)
    finally:
        process.kill()
        process.communicate()


def _expect(line: bytes, numbers: list[int]) -> None:
    said = orjson.loads(line)
    if said["result"]["content"][0]["text"] != f"Echo: {message(numbers[said['id'] - 1])}":
        raise AssertionError(f"another call's answer: {line[:200]!r}")


def _line(number: int, method: str, params: dict[str, Any]) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + b"\n"


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| | recorded calls | start CPU s | RSS MiB | calls/s 1 / 8 / 32 | of the floor's | CPU ms a call | x floor"
        " | p50 ms | lost |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        each = [clients for clients in LEVELS if clients in row.levels]
        own = row.name == FLOOR

        def shown(name: str, form: str, row: Row = row, each: list[int] = each) -> str:
            return " / ".join(format(row.median(clients, name), form) for clients in each)

        def against(name: str, row: Row = row, each: list[int] = each, own: bool = own) -> str:
            return "1" if own else " / ".join(f"{row.of_floor(clients, name):.2f}" for clients in each)

        start = f"{row.start_cpu:.2f}"
        if row.first_start_cpu > row.start_cpu + 0.5 and row.name.startswith("firefly"):
            start += f" (first {row.first_start_cpu:.1f})"
        lost = sum(sample.lost for samples in row.levels.values() for sample in samples)
        lines.append(
            f"| {row.name} | {row.count or '-':{',' if row.count else ''}} | {start} | {row.start_rss:.0f} to {row.rss:.0f}"
            f" | {shown('per_second', '.0f')} | {against('per_second')} | {shown('cpu_ms', '.3f')} | {against('cpu_ms')}"
            f" | {shown('p50_ms', '.2f')} | {lost} |"
        )
    return "\n".join(lines)


def missed(rows: list[Row], spoken: list[dict[str, Any]], scaled: dict[str, Any]) -> list[str]:
    """What falls short of the bars, one line each."""
    said = []
    places = {(row.name, row.count): row for row in rows}
    ours = [row for row in rows if row.name == "firefly"]
    for row in ours:
        for clients in (8, 32):
            share, cpu = row.of_floor(clients, "per_second"), row.of_floor(clients, "cpu_ms")
            where = f"firefly at {row.count:,}, {clients} clients"
            if share < _AT_LEAST_OF_FLOOR:
                said.append(f"{where}: {share:.2f} of the floor's calls/s, the bar is {_AT_LEAST_OF_FLOOR}")
            if cpu > _CPU_FACTOR:
                said.append(f"{where}: CPU {cpu:.2f} times the floor's, the bar is {_CPU_FACTOR}")
            peer = places.get(("mcp-cassette serve", row.count))
            if peer is not None and share < _AT_LEAST_OF_CASSETTE * peer.of_floor(clients, "per_second"):
                said.append(f"{where}: less than {_AT_LEAST_OF_CASSETTE} times mcp-cassette")
        if row.count == 100_000:
            if row.median(1, "p50_ms") > _TOP_P50_MS:
                said.append(f"firefly at 100,000: p50 {row.median(1, 'p50_ms'):.2f} ms, the bar is {_TOP_P50_MS}")
            if row.start_cpu > 1 or row.start_rss > 150:
                said.append(
                    f"firefly at 100,000: starts with {row.start_cpu:.2f} s CPU, {row.start_rss:.0f} MiB; the bars: 1, 150"
                )
    at = {row.count: row for row in ours}
    if 1_000_000 in at and 100_000 in at:
        growth = at[1_000_000].of_floor(1, "p50_ms") / at[100_000].of_floor(1, "p50_ms")
        if growth > 2:
            said.append(f"p50 at 1,000,000 recorded calls is {growth:.2f} times that at 100,000, the bar is 2")
    for one in spoken:
        if one["name"].startswith("firefly") and one["per_second"] < _STDIO:
            said.append(f"firefly on stdio at {one['count']:,}: {one['per_second']:.0f} calls/s, the bar is {_STDIO}")
    if scaled["ratio"] < 1.5:
        said.append(f"--workers 2 gives {scaled['ratio']:.2f} times the calls/s of one worker")
    return said


def main() -> int:
    """Measure, print the tables, write the figures, and say which bars were missed; that is no failure, machines differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 recorded calls, two rounds of few calls")
    parser.add_argument("--calls", type=int, help="calls of one level (4,000; quick 1,000)")
    parser.add_argument("--rounds", type=int, help="rounds (5; quick 2)")
    parser.add_argument("--no-peers", action="store_true", help="firefly and the floor alone")
    parser.add_argument("--cassette-python", metavar="PYTHON", help="Python 3.12 or newer, for mcp-cassette")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument("--client", nargs=4, metavar=("URL", "COUNT", "CALLS", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client(options.client[0], *map(int, options.client[1:]))
        return 0
    calls = options.calls or (1000 if options.quick else 4000)
    rounds = options.rounds or (2 if options.quick else 5)
    counts, most = ([1000, 10_000], 0) if options.quick else ([1000, 10_000, 100_000], 1_000_000)
    where = {**machine(), "command": "python -m benchmarks.replay " + " ".join(sys.argv[1:])}
    with (
        tempfile.TemporaryDirectory(prefix="firefly-replay-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = field_of(Path(folder), counts, most, calls, with_peers=not options.no_peers, python=options.cassette_python)
        rows = runner.run(measure(found, rounds, calls))
        scaled = runner.run(workers(found, rounds, calls))
        spoken = []
        for one in found.spoken:
            try:
                spoken.append(speak(one, rounds))
            except (OSError, ValueError, KeyError) as trouble:
                if one.name.startswith("firefly"):
                    raise
                found.skipped.append(f"{one.name} at {one.count:,}: {type(trouble).__name__}: {trouble}")
    figures = {
        "machine": where,
        "skipped": found.skipped,
        "missed": missed(rows, spoken, scaled),
        "http": [_figures(row) for row in rows],
        "stdio": spoken,
        "workers": scaled,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "replay.json").write_text(json.dumps(figures, indent=1) + "\n")
    if options.json:
        print(json.dumps(figures))
    else:
        print(table(rows))
        print("\n| on stdio, 8 in flight | recorded calls | calls/s | seconds to ready |\n| --- | --- | --- | --- |")
        for told in spoken:
            print(f"| {told['name']} | {told['count']:,} | {told['per_second']:.0f} | {told['seconds_to_ready']:.2f} |")
        one, two = (scaled["per_second"][name] for name in "12")
        print(f"\nTwo client processes: {one:.0f} calls/s from one worker, {two:.0f} from two ({scaled['ratio']:.2f}).")
    for line in [*found.skipped, *figures["missed"]]:
        print(line, file=sys.stderr)
    return 0


def _figures(row: Row) -> dict[str, Any]:
    each = {
        str(clients): {
            **{name: row.median(clients, name) for name in ("per_second", "cpu_ms", "p50_ms", "lost")},
            **(
                {}
                if row.name == FLOOR
                else {f"{name}_of_floor": row.of_floor(clients, name) for name in ("per_second", "cpu_ms", "p50_ms")}
            ),
        }
        for clients in row.levels
    }
    starts = {name: getattr(row, name) for name in ("start_cpu", "first_start_cpu", "start_rss", "rss")}
    return {"name": row.name, "count": row.count, **starts, "clients": each}


if __name__ == "__main__":
    sys.exit(main())
