"""Results as CSV, and as a Markdown table for a README. Nothing untrusted in a cell can become a formula or a table's frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firefly_mcp.bench.rollout import Rollout, by_task
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ROLLOUT = (
    "task",
    "attempt",
    "reward",
    "failure",
    "servers",
    "kind",
    "difficulty",
    "split",
    "calls",
    *(str(kind) for kind in MatchKind),
    "input_tokens",
    "output_tokens",
    "cost",
    "seconds",
    "submitted",
    "answer",
    "error",
    "session",
)


def rollouts_csv(tasks: Mapping[str, Task], rollouts: Sequence[Rollout], price: tuple[float, float] | None = None) -> str:
    """One row for each attempt."""
    rows = []
    for one in rollouts:
        task, kinds = tasks[one.task], one.by_match
        rows.append(
            (
                one.task,
                one.attempt,
                one.reward,
                one.failure,
                " ".join(task.servers),
                getattr(task, "kind", "") or "",
                task.difficulty,
                task.split,
                len(one.calls),
                *(kinds[str(kind)] for kind in MatchKind),
                one.usage.get("input", ""),
                one.usage.get("output", ""),
                "" if price is None else one.cost(price),
                one.seconds,
                int(one.submitted),
                "" if one.answer is None else text(one.answer),
                one.error,
                one.session,
            )
        )
    return _csv(_ROLLOUT, rows)


def tasks_csv(tasks: Mapping[str, Task], rollouts: Sequence[Rollout]) -> str:
    """One row for each task: how many of its attempts passed, and what they took."""
    rows = []
    for name, held in by_task(tasks, list(rollouts)).items():
        task, count = tasks[name], len(held)
        rows.append(
            (
                name,
                count,
                sum(one.reward == 1.0 for one in held),
                " ".join(task.servers),
                getattr(task, "kind", "") or "",
                task.difficulty,
                task.split,
                sum(len(one.calls) for one in held) / count,
                sum(one.misses.total() for one in held),
                sum(one.tokens for one in held) / count,
                sum(one.seconds for one in held) / count,
                task.request,
            )
        )
    columns = "task attempts passed servers kind difficulty split calls misses tokens seconds request".split()
    return _csv(columns, rows)


def leaderboard(reports: Iterable[JsonObject]) -> str:
    """A Markdown table of results, the best first; runs on other tasks, recordings or policies than the first are marked."""
    listed = sorted(reports, key=lambda report: (-report["pass@1"], str(report.get("subject"))))
    if not listed:
        return ""
    setting = _setting(listed[0])
    lines = [
        "| subject | pass@1 | 95% interval | pass@k | pass^k | k | tasks | calls a task | misses a task | tokens a task |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    odd = False
    for report in listed:
        other = _setting(report) != setting
        odd = odd or other
        low, high = report["interval"]
        rollouts = report["tasks"] * report["k"]
        tokens = (report.get("usage") or {}).get("tokens_per_rollout") or 0
        calls = (report.get("calls") or {}).get("mean", 0.0)
        misses = sum((report.get("misses") or {}).values()) / rollouts
        cells = [
            _cell(report.get("subject")) + (" *" if other else ""),
            f"{report['pass@1']:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{report['pass@k']:.1%}",
            f"{report['pass^k']:.1%}",
            str(report["k"]),
            f"{report['tasks']:,}",
            f"{calls:.1f}",
            f"{misses:.2f}",
            f"{tokens:,.0f}" if tokens else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if odd:
        lines += ["", "\\* on other tasks, another recording or another replay policy than the first row: not to be compared."]
    return "\n".join(lines) + "\n"


def _setting(report: JsonObject) -> tuple[str, ...]:
    ran = report.get("manifest") or {}
    return tuple(text(ran.get(key)) for key in ("tasks", "recording", "policy"))


def _cell(value: Any) -> str:
    shown = " ".join(str(value or "").split())
    for mark in "\\|`*_<>[]":
        shown = shown.replace(mark, f"\\{mark}")
    return shown


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def _harmless(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula is led by a quote (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
