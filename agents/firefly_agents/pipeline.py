"""The whole way in one call: explore the servers, build the graph, synthesise tasks, prove them, and report.

Each stage reads and writes the recording, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firefly_agents.explore_report import ExploreReport
from firefly_agents.explorer import explore
from firefly_agents.settings import ExploreSettings, Progress
from firefly_agents.synthesizer import candidates, keep, prove
from firefly_mcp.dataset.division import divide
from firefly_mcp.graph.store import build_from, write_graph
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.observe import is_success
from firefly_mcp.report.html import render_report
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import PlanBrokenError, observe
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_mcp.tasks.proof import Ledger, strict_replay
from firefly_mcp.types import SessionKind

TASKS = 200
"""About so many tasks are made of a run."""


@dataclass(frozen=True)
class RunResult:
    """What a run left behind: the report, its rows by server, and the admitted tasks."""

    report: JsonObject
    servers: list[JsonObject]
    tasks: list[Task]


async def run_pipeline(
    specs: Mapping[str, ServerSpec],
    out: Path,
    settings: ExploreSettings,
    *,
    progress: Progress,
) -> RunResult:
    """Run every stage and write ``firefly.db``, ``tasks.jsonl``, ``report.json`` and ``report.html`` into ``out``.

    Raises:
        FireflyError: the folder or the recording cannot be used, or no server starts.
    """
    started = time.monotonic()
    with Recording(out / "firefly.db", create=True) as recording:
        explored = await explore(recording, specs, settings, progress=progress)
        graph = build_from(recording, seed=settings.seed)
        write_graph(recording, graph)
        drafted = candidates(recording, count=TASKS)
        proven = itertools.count(1)
        synthesis = await prove(drafted, recording, progress=lambda: progress("prove", next(proven), len(drafted)))
        ledger = synthesis.ledger
        divide(ledger, recording)
        keep(recording, synthesis)
        rows = server_rows(recording, specs, explored, ledger.admitted)
        report: JsonObject = {
            "servers": sum(1 for row in rows if "error" not in row),
            "tools": len(queries.tools(recording)),
            "calls": sum(session.calls for session in queries.sessions(recording, evidence_only=True)),
            "edges": len(graph),
            "sub_dags": sum("dag" in s.labels for s in queries.sessions(recording, kind=SessionKind.EXPLORE)),
            **ledger.summary(),
            "replay": dict(synthesis.replay),
            "seconds": round(time.monotonic() - started, 1),
            "seed": settings.seed,
            "model": settings.model,
            "by_server": rows,
        }
        write_tasks(out / "tasks.jsonl", ledger.admitted)
        (out / "report.json").write_bytes(dumps(report))
        shown = _with_results(recording, ledger)
        (out / "report.html").write_text(render_report(report, shown, rows), encoding="utf-8")
    return RunResult(report, rows, ledger.admitted)


def server_rows(
    recording: Recording, specs: Mapping[str, ServerSpec], explored: ExploreReport, tasks: list[Task]
) -> list[JsonObject]:
    """One row for each server: its tools, calls, successful calls, and the tasks that use it; or why it did not start."""
    tools = Counter(tool.server for tool in queries.tools(recording))
    calls: Counter[str] = Counter()
    successes: Counter[str] = Counter()
    for call in queries.calls(recording, method="tools/call", evidence_only=True):
        calls[call.server] += 1
        successes[call.server] += is_success(call)
    used = Counter(server for task in tasks for server in task.servers)
    rows: list[JsonObject] = []
    for name in specs:
        if name in explored.left_out and not calls[name]:
            rows.append({"name": name, "error": explored.left_out[name]})
        else:
            row = {"name": name, "tools": tools[name], "calls": calls[name], "successes": successes[name], "tasks": used[name]}
            rows.append(row)
    return rows


def _with_results(recording: Recording, ledger: Ledger) -> list[JsonObject]:
    """The admitted tasks, each plan node with the recorded call that proves it."""
    replay = strict_replay(recording)
    shown = []
    for task in ledger.admitted:
        line = task.model_dump(mode="json", by_alias=True)
        try:
            seen = observe(task, replay)
        except PlanBrokenError:  # it was just executed; a report without this result is still a report
            shown.append(line)
            continue
        for node in line["plan"]:
            step = seen.steps[node["id"]]
            node["call"] = step.call.id
            node["result"] = step.call.result  # the page shortens it around what it proves
        shown.append(line)
    return shown
