"""The report of a benchmark as one HTML file, with charts, tables and every trajectory; nothing is fetched, all is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import orjson

from firefly_mcp import __version__
from firefly_mcp.bench.attribution import FAILURES
from firefly_mcp.bench.rollout import Rollout, by_task
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.report.html import duration, page_script, page_style, replay_bars
from firefly_mcp.report.rollout_html import task_rollouts_html
from firefly_mcp.tasks.model import Task

_TEMPLATE = files("firefly_mcp.report").joinpath("bench.html")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 440, 200, 40, 26


def render_bench(report: JsonObject, tasks: Sequence[Task], rollouts: Sequence[Rollout], *, at: datetime | None = None) -> str:
    """Render the report of a run.

    Args:
        report: its figures (:func:`firefly_mcp.bench.score.score`).
        tasks: its tasks, in order.
        rollouts: all of them, graded.
        at: when; now when not given.

    Returns:
        The HTML page.
    """
    script, script_hash = page_script()
    known = {task.id: task for task in tasks}
    held = by_task(known, list(rollouts))
    servers = sorted({server for task in held for server in known[task].servers})
    when = (at or datetime.now(UTC)).strftime("%d %B %Y, %H:%M UTC")
    subject = str(report.get("subject") or "a subject")
    several = report["k"] > 1
    outcomes = ["passed", "failed", *(reason for reason in FAILURES if report["failures"].get(reason))]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"Firefly: {subject}, {report['pass@1']:.1%}"),
        style=page_style(),
        script=script,
        script_hash=script_hash,
        verdict=escape(f"{subject} solves {report['pass@1']:.1%}"),
        verdict_class="" if report["pass@1"] else " none",
        lead=escape(_lead(report)),
        facts=_facts(report),
        scores_note=_scores_note(report["k"]),
        scores=_scores(report),
        replay=replay_bars(report["by_match"]),
        failures=_counts(report["failures"], report["rollouts"], "no attempt failed"),
        misses=_counts(report["misses"], sum(report["misses"].values()), "nothing was missed"),
        by_server=_groups(report["by_server"], "server", several),
        by_kind=_groups(report["by_kind"], "kind", several),
        by_difficulty=_groups(
            {
                **report["by_difficulty"],
                **{f"split {name}": group for name, group in report["by_split"].items()},
            },
            "difficulty or split",
            several,
        ),
        server_options=_options(servers),
        outcome_options=_options(outcomes),
        tasks="".join(task_rollouts_html(known[task], found) for task, found in held.items()),
        manifest=escape(orjson.dumps(report["manifest"], option=orjson.OPT_INDENT_2, default=str).decode()),
        footer=escape(f"Firefly MCP {__version__}, {when}"),
    )


def _lead(report: JsonObject) -> str:
    low, high = report["interval"]
    attempts = "one attempt each" if report["k"] == 1 else f"{report['k']} attempts each"
    misses = sum(report["misses"].values())
    told = "without a miss" if not misses else f"with {misses:,} {'miss' if misses == 1 else 'misses'}"
    return (
        f"of {report['tasks']:,} tasks at the first attempt, {attempts}; the 95% interval over tasks is {low:.1%} to "
        f"{high:.1%}. "
        f"{report['calls']['total']:,} tool calls were replayed {told}."
    )


def _facts(report: JsonObject) -> str:
    usage, k = report["usage"], report["k"]
    cells = [
        ("pass@1", f"{report['pass@1']:.1%}"),
        *([(f"pass@{k}", f"{report['pass@k']:.1%}"), (f"pass^{k}", f"{report['pass^k']:.1%}")] if k > 1 else []),
        ("calls an attempt", f"{report['calls']['mean']:.1f}"),
        ("attempts without a miss", f"{report['miss_free']:.0%}"),
    ]
    if usage["tokens_per_rollout"]:
        cells.append(("tokens an attempt", f"{usage['tokens_per_rollout']:,.0f}"))
    if "cost" in usage:
        cells.append(("cost", f"${usage['cost']:,.2f}"))
    cells.append(("time an attempt", duration(float(report["timing"]["mean"]))))
    return "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in cells)


def _scores_note(k: int) -> str:
    if k == 1:
        return "The mark is pass@1, the band its 95% interval over tasks."
    return "Solid: at least one of so many attempts passes (pass@). Dashed: all of them pass (pass^)."


def _scores(report: JsonObject) -> str:
    if report["k"] == 1:
        return f'<p>{_range(report["pass@1"], report["interval"])}</p><p class="note">0% to 100%</p>'
    curve = report["curve"]
    last = len(curve)

    def place(count: int, share: float) -> tuple[float, float]:
        across = (count - 1) / max(last - 1, 1)
        return _LEFT + across * (_WIDTH - _LEFT - 12), 8 + (1 - share) * (_HEIGHT - _BOTTOM - 8)

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = place(1, share)[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - 12}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for point in curve:
        if last <= 12 or point["k"] in (1, last) or point["k"] % (last // 6) == 0:
            parts.append(f'<text x="{place(point["k"], 0)[0]:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{point["k"]}</text>')
    for key, name in (("pass@", "any"), ("pass^", "all")):
        places = [place(point["k"], point[key]) for point in curve]
        parts.append(f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
        parts += [
            f'<circle class="{name}-dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{key}{point['k']}: {point[key]:.1%}</title></circle>"
            for (x, y), point in zip(places, curve, strict=True)
        ]
    label = ", ".join(f"{key}k from {curve[0][key]:.1%} to {curve[-1][key]:.1%}" for key in ("pass@", "pass^"))
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg></figure>'
    )


def _range(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    label = f"{value:.1%}, 95% interval {low:.1%} to {high:.1%}"
    return (
        f'<span class="range" role="img" aria-label="{label}" title="{label}">'
        f'<i style="left:{low:.2%};width:{max(high - low, 0):.2%}"></i><b style="left:{value:.2%}"></b></span>'
    )


def _counts(counts: Mapping[str, int], whole: int, none: str) -> str:
    if not counts:
        return f'<p class="empty">{escape(none[:1].upper() + none[1:])}.</p>'
    rows = "".join(
        f'<li><span>{escape(name.replace("_", " "))}</span><span class="track">'
        f'<span class="bad" style="width:{count / max(whole, 1):.2%}"></span></span>'
        f'<span class="n">{count:,} ({count / max(whole, 1):.0%})</span></li>'
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])
    )
    return f'<ol class="funnel bars">{rows}</ol>'


def _groups(groups: Mapping[str, Mapping[str, Any]], what: str, several: bool) -> str:
    rows = []
    for name, group in groups.items():
        worst = max(group["failures"].items(), key=lambda pair: pair[1], default=("", 0))[0]
        others = f"<td>{group['pass@k']:.1%}</td><td>{group['pass^k']:.1%}</td>" if several else ""
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{group['tasks']:,}</td><td>{group['pass@1']:.1%}</td>"
            f'<td class="hide-narrow">{_range(group["pass@1"], group["interval"])}</td>{others}'
            f"<td>{group['calls_per_rollout']:.1f}</td><td>{group['misses']:,}</td><td>{escape(worst)}</td></tr>"
        )
    others = "<th>pass@k</th><th>pass^k</th>" if several else ""
    head = (
        f'<tr><th>{escape(what)}</th><th>tasks</th><th>pass@1</th><th class="hide-narrow">95% interval</th>{others}'
        "<th>calls</th><th>misses</th><th>most failures</th></tr>"
    )
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _options(names: Sequence[str]) -> str:
    return "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in names)
