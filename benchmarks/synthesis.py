"""How long does it take to synthesise and verify, and in how much memory? ``python -m benchmarks.synthesis --store F``.

A recording of 100,000 calls is made of a real one (:mod:`benchmarks.scaled`); then ``firefly synthesize`` and ``firefly
verify`` are run on it, each in a process of its own whose wall time, processor time and peak memory are taken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine, today
from benchmarks.scaled import scale
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording


def timed(*arguments: str) -> JsonObject:
    """Run a ``firefly`` command: its exit code, seconds, processor seconds and peak memory in MiB."""
    began = time.monotonic()
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "firefly_mcp", *arguments], os.environ)
    _, status, used = os.wait4(child, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": used.ru_maxrss // 1024,
    }


def measure(source: Path, calls: int, folder: Path, count: int | None) -> JsonObject:
    """Scale, synthesise ``count`` tasks (None: all that there are), verify."""
    store, tasks = folder / "scaled.db", folder / "tasks.jsonl"
    with Recording(source) as recording:
        scale(recording, store, calls).close()
    with Recording(store) as recording:
        held = recording.db.execute("SELECT count(*) FROM call").fetchall()[0][0]
    asked = ["--count", str(count)] if count else []
    found = {
        name: timed(name, "--store", str(store), "--tasks", str(tasks), *more)
        for name, more in (("synthesize", asked), ("verify", []))
    }
    return {
        "machine": machine(),
        "date": today(),
        "calls": held,
        "tasks": sum(1 for _ in tasks.open()) if tasks.exists() else 0,
        **found,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="the real recording")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--count", type=int, help="of tasks; all that there are when left out")
    parser.add_argument("--folder", type=Path, help="keep what is made here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        found = measure(options.store, options.calls, options.folder or Path(temporary), options.count)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{found['calls']} calls, {found['tasks']} tasks; {found['date']}, {found['machine']}")
    for name in ("synthesize", "verify"):
        one = found[name]
        print(f"{name}: {one['seconds']} s, {one['cpu_seconds']} s of processor, {one['peak_mib']} MiB, exit {one['exit']}")


if __name__ == "__main__":
    main()
