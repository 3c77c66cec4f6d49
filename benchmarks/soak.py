"""Begin and end thousands of sessions through one proxy, and see what it keeps that it should have let go.

    python -m benchmarks.soak              # 10,000 sessions over HTTP, 1,000 with a server process each
    python -m benchmarks.soak --quick      # what `make bench` runs

A session is: connect, initialize, one call, DELETE. The bars: memory grows by 20 MiB at most, and in the end the proxy has
the file handles that it had before, and no process.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.processes import Measured, echo_server, recorder
from benchmarks.wire import Session

_TOP_GROWTH_MIB = 20.0
_WARM_UP = 200
"""Sessions before the first look: imports, caches and the allocator's pools are not growth."""


async def sessions(proxy: Measured, count: int, clients: int) -> None:
    """So many whole sessions, some at the same time."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            session = Session(proxy.url)
            await session.open()
            result = await session.call("echo", {"message": f"session {number}"})
            assert result["content"][0]["text"] == f"Echo: session {number}"
            await session.end()

    await asyncio.gather(*(client() for _ in range(clients)))


async def settled(proxy: Measured, handles: int) -> tuple[int, list[int]]:
    """Handles and children, once they are down to what is expected or have had five seconds for it."""
    give_up = time.monotonic() + 5
    while (proxy.handles() > handles or proxy.children()) and time.monotonic() < give_up:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    return proxy.handles(), proxy.children()


async def soak(proxy: Measured, count: int, clients: int, name: str) -> bool:
    """Run, print what was found, and say whether the bars were met."""
    await sessions(proxy, min(_WARM_UP, count), clients)
    await settled(proxy, proxy.handles())
    rss, handles = proxy.rss_mib(), proxy.handles()
    begun, cpu = time.monotonic(), proxy.cpu_seconds()
    parts = []
    for _ in range(10):
        await sessions(proxy, count // 10, clients)
        parts.append(f"{proxy.rss_mib() - rss:+.1f}")
    took = time.monotonic() - begun
    cpu_ms = (proxy.cpu_seconds() - cpu) * 1000 / count
    handles_after, children = await settled(proxy, handles)
    growth = proxy.rss_mib() - rss
    print(f"{name}: {count} sessions, {clients} at a time, {took:.0f} s, {cpu_ms:.2f} ms CPU each")
    print(f"  memory: {rss:.1f} MiB, then by tenths {' '.join(parts)}; at the end {growth:+.1f} MiB")
    print(f"  file handles: {handles} before, {handles_after} after; processes left: {len(children)}")
    return growth <= _TOP_GROWTH_MIB and handles_after <= handles and not children


def main() -> int:
    """Soak a proxy before an HTTP server, and one before a stdio server; 1 if something stayed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 and 50 sessions")
    parser.add_argument("--sessions", type=int, help="over HTTP (10,000)")
    parser.add_argument("--processes", type=int, help="with a server process each (1,000)")
    options = parser.parse_args()
    over_http = options.sessions or (1000 if options.quick else 10_000)
    over_stdio = options.processes or (50 if options.quick else 1000)
    good = True
    with (
        tempfile.TemporaryDirectory(prefix="firefly-soak-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        folder = Path(name)
        upstream = echo_server(folder / "echo.log")
        started = [upstream]
        try:
            for kind, count, clients, url in (
                ("HTTP upstream", over_http, 8, upstream.url),
                ("stdio upstream", over_stdio, 4, None),
            ):
                proxy = recorder(folder / f"{count}.db", folder / f"{count}.log", upstream=url)
                started.append(proxy)
                good = runner.run(soak(proxy, count, clients, kind)) and good
        finally:
            for process in started:
                process.stop()
    print("nothing left behind" if good else "LEFT BEHIND")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
