"""The results of a run as files: ``bench.json``, ``rollouts.csv``, ``tasks.csv`` and ``bench.html``, from its folder alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from firefly_mcp.bench.rollout import Rollout
from firefly_mcp.bench.run_folder import REPORT, RunFolder
from firefly_mcp.bench.score import score
from firefly_mcp.bench.tables import rollouts_csv, tasks_csv
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.report.bench_html import render_bench
from firefly_mcp.tasks.model import Task


def write_results(run: RunFolder, report: JsonObject) -> list[Path]:
    """Write all result files of a run and give their paths.

    Raises:
        UsageError: one cannot be written.
    """
    rollouts = run.rollouts()
    tasks = {task.id: task for task in run.tasks}
    price = (report.get("usage") or {}).get("price")
    paid = (float(price[0]), float(price[1])) if price else None
    files = {
        REPORT: dumps(report),
        "rollouts.csv": rollouts_csv(tasks, rollouts, paid).encode(),
        "tasks.csv": tasks_csv(tasks, rollouts).encode(),
        "bench.html": render_bench(report, run.tasks, rollouts).encode("utf-8", "backslashreplace"),
    }
    try:
        for name, data in files.items():
            (run.path / name).write_bytes(data)
    except OSError as error:
        raise UsageError(f"{run.path}: results cannot be written ({error.strerror})") from error
    return [run.path / name for name in files]


def regrade(run: RunFolder, tasks: list[Task] | None = None) -> tuple[JsonObject, JsonObject]:
    """Grade stored rollouts again, without a model, and write the results anew.

    Args:
        run: the folder of a run.
        tasks: other labels for the same tasks, instead of the run's own.

    Returns:
        The new report, and ``{rollouts, changed, now_passed, now_failed, other_reason}``: what became of the old rewards.

    Raises:
        TaskError: the run has no rollout, or a task of it is not among ``tasks``.
    """
    if tasks is not None:
        run.relabel(tasks)
    known = {task.id: task for task in run.tasks}
    before = run.rollouts()
    after = [one.graded(known[one.task]) for one in before]
    counts = _complete(after)
    report = score(run.tasks, counts, run.manifest, price=_price(run))
    old = {(one.task, one.attempt): one for one in before}
    passed = sum(one.reward > old[one.task, one.attempt].reward for one in after)
    failed = sum(one.reward < old[one.task, one.attempt].reward for one in after)
    reasons = sum(
        one.failure != old[one.task, one.attempt].failure and one.reward == old[one.task, one.attempt].reward for one in after
    )
    run.replace(after)
    write_results(run, report)
    changed = {"rollouts": len(after), "changed": passed + failed, "now_passed": passed, "now_failed": failed}
    return report, {**changed, "other_reason": reasons}


def _complete(rollouts: list[Rollout]) -> list[Rollout]:
    """Of a run that was cut short the tasks that have all attempts that any has."""
    sizes = Counter(one.task for one in rollouts)
    most = max(sizes.values(), default=0)
    return [one for one in rollouts if sizes[one.task] == most]


def _price(run: RunFolder) -> tuple[float, float] | None:
    """The price that the run was told, as its report has it."""
    from firefly_mcp.bench.run_folder import load_report

    try:
        price = (load_report(run.path).get("usage") or {}).get("price")
    except UsageError:
        return None
    return (float(price[0]), float(price[1])) if price else None
