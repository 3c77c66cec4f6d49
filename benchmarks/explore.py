"""Guided against unguided exploration at the same number of calls: ``python -m benchmarks.explore [--calls N] [--seeds K]``.

Eight of the bundled servers, the offline model, and four ways to choose the next call. *Guided*: tours, then walks along
sub-DAGs sampled by coverage debt. *Random*: any tool of a random server, sixteen calls a session. *Round-robin*: each server
and each tool in turn. Both plan arguments as the guided one does, with what the session returned and what earlier sessions
taught. *Blind*: random, with arguments from the schema alone. What counts: tools with a successful call; edges confirmed by a
value that flowed; and tasks that every gate admits, per 1,000 exploring calls. Each run observes its useful sessions a second
time, makes no probes, and synthesises tasks as ``firefly run`` does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from firefly_agents.explorer import explore
from firefly_agents.sandboxes import Seeds
from firefly_agents.settings import Budget, ExploreSettings
from firefly_agents.synthesizer import candidates, prove
from firefly_mcp.servers.bundled import bundled_servers, seed_folder
from firefly_mcp.store.recording import Recording

SERVERS = ("airline", "tasks", "crm", "payments", "invoice-intake", "sqlite", "business-day", "oyemi")
WAYS = ("guided", "random", "round-robin", "blind")
MEASURES = ("calls", "succeeded", "tools_succeeded", "edges_fed", "tasks", "tasks_per_1000", "seconds")


async def run(way: str, seed: int, calls: int) -> dict[str, float]:
    """One exploration with its second observations, and the tasks that come of it."""
    specs = {name: spec for name, spec in bundled_servers().items() if name in SERVERS}
    settings = ExploreSettings(
        episodes=10_000,
        seed=seed,
        guidance=way,
        max_calls=calls,
        seeds=Seeds(seed_folder()),
        probing=0,
        budget=Budget(seconds=600, start_seconds=600),
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Recording(Path(folder) / "firefly.db", create=True) as recording:
        report = await explore(recording, specs, settings)
        if report.left_out:
            raise SystemExit(f"servers did not start, so nothing can be compared: {report.left_out}")
        synthesis = await prove(candidates(recording), recording)
        tasks = len(synthesis.ledger.admitted)
    return {
        "calls": report.calls,
        "succeeded": report.succeeded,
        "tools_succeeded": report.tools_succeeded,
        "edges_fed": report.edges_fed,
        "tasks": tasks,
        "tasks_per_1000": round(1000 * tasks / max(1, report.calls), 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Run every way with every seed, in turn, and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400, help="exploring calls of each run, at least")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        for way in WAYS:
            runs[way].append(asyncio.run(run(way, seed, options.calls)))
            print(f"seed {seed} {way}: {runs[way][-1]}", file=sys.stderr, flush=True)
    medians = {way: {name: statistics.median(one[name] for one in found) for name in MEASURES} for way, found in runs.items()}
    if options.json:
        print(json.dumps({"medians": medians, "runs": runs, "load": os.getloadavg()}))
        return
    print(f"| way | {' | '.join(name.replace('_', ' ') for name in MEASURES)} |\n| --- |{' --: |' * len(MEASURES)}")
    for way, row in medians.items():
        print(f"| {way} | {' | '.join(f'{row[name]:g}' for name in MEASURES)} |")
    for way in WAYS[1:]:
        base = medians[way]["tasks_per_1000"]
        ratio = "no task to compare with" if not base else f"{medians['guided']['tasks_per_1000'] / base:.2f}"
        print(f"guided / {way}, tasks per 1,000 calls: {ratio}")
    print("load:", *os.getloadavg())


if __name__ == "__main__":
    main()
