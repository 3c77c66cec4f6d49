"""The report of a run as one HTML file: nothing is fetched, and everything that a server or model said is escaped.

The page forbids itself every script but its own, by a hash in its content security policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.report.task_html import task_html
from firefly_mcp.types import MatchKind

_HERE = files("firefly_mcp.report")


def render_report(
    report: JsonObject, tasks: Sequence[JsonObject], servers: Sequence[JsonObject], *, at: datetime | None = None
) -> str:
    """Render the report of a run.

    Args:
        report: ``report.json``: ``{servers, tools, calls, edges, sub_dags, candidates, admitted, rejected, replay, seconds}``.
        tasks: lines of ``tasks.jsonl``; a plan node may carry its recorded ``result`` (and ``call``, its id), shown beside it.
        servers: ``{name, tools, calls, successes, tasks}`` each, with ``error`` for one that did not start.
        at: when the run ended; now when not given.

    Returns:
        The HTML page.
    """
    script, digest = page_script()
    admitted = _count(report, "admitted")
    when = (at or datetime.now(UTC)).strftime("%d %B %Y, %H:%M UTC")
    took = duration(float(report.get("seconds") or 0)).replace(" ", "\u00a0")
    names = sorted({str(name) for task in tasks for name in task.get("servers", ())})
    return Template(_HERE.joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"Firefly: {admitted} proven tasks"),
        style=page_style(),
        script=script,
        script_hash=digest,
        verdict=f"{admitted:,} proven {'task' if admitted == 1 else 'tasks'}" if admitted else "No task was proven",
        verdict_class="" if admitted else " none",
        lead=escape(_lead(report, len(names), took)),
        facts=_facts(report),
        funnel=_funnel(report),
        replay=replay_bars(report.get("replay") or {}),
        servers=_servers(servers),
        server_options="".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in names),
        tasks="".join(task_html(task) for task in tasks) or '<p class="empty">There are no tasks to show.</p>',
        footer=escape(f"Firefly MCP {__version__}, {when}"),
    )


def page_style() -> str:
    """The style sheet that all pages of reports share."""
    return _HERE.joinpath("report.css").read_text(encoding="utf-8")


def page_script() -> tuple[str, str]:
    """The script that all pages of reports share, and its hash for their content security policy."""
    script = _HERE.joinpath("report.js").read_text(encoding="utf-8")
    return script, f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``8.4 s``, ``5 min 12 s``, ``2 h 04 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _lead(report: JsonObject, with_tasks: int, took: str) -> str:
    if not _count(report, "candidates"):
        return f"There was no candidate for the gates to judge. The run took {took}."
    if not _count(report, "admitted"):
        return f"The gates rejected all {_count(report, 'candidates'):,} candidates. Below is which gate rejected how many."
    return (
        f"Each plan was executed against the recording and gave its label again. The tasks use {with_tasks} "
        f"{'server' if with_tasks == 1 else 'servers'}; the run took {took}."
    )


def _facts(report: JsonObject) -> str:
    labels = {
        "servers": "servers",
        "tools": "tools",
        "calls": "recorded calls",
        "edges": "graph edges",
        "sub_dags": "sub-DAGs",
        "candidates": "candidates",
    }
    cells = [(label, f"{_count(report, key):,}") for key, label in labels.items()]
    return "".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in cells)


def _funnel(report: JsonObject) -> str:
    """Candidates, what each gate took away from those still left, and what is admitted."""
    candidates, admitted = _count(report, "candidates"), _count(report, "admitted")
    whole = max(candidates, 1)
    rows = [_step("candidates", "", candidates / whole, 0, f"{candidates:,}")]
    left = candidates
    for gate, lost in _numbers(report.get("rejected")):
        left = max(0, left - lost)
        rows.append(_step(gate, "gate", left / whole, lost / whole, f"−{lost:,}" if lost else "0"))
    rows.append(_step("admitted", "end", admitted / whole, 0, f"{admitted:,}"))
    return f'<ol class="funnel">{"".join(rows)}</ol>'


def _step(name: str, kind: str, left: float, lost: float, number: str) -> str:
    bars = "".join(
        f'<span class="{what}" style="width:{share:.2%}"></span>' for what, share in (("left", left), ("lost", lost))
    )
    return (
        f'<li class="{kind}"><span>{escape(name)}</span><span class="track">{bars}</span><span class="n">{number}</span></li>'
    )


def replay_bars(kinds: Mapping[str, Any]) -> str:
    """How calls were answered: one bar of shares by match kind, with a legend."""
    known = [kind.value for kind in MatchKind]
    counted = sorted(_numbers(kinds), key=lambda item: known.index(item[0]) if item[0] in known else len(known))
    total = sum(count for _, count in counted)
    if not total:
        return '<p class="empty">Nothing was replayed.</p>'
    bars = "".join(f'<span class="{_kind(kind)}" style="width:{count / total:.2%}"></span>' for kind, count in counted if count)
    rows = "".join(
        f'<li><i class="{_kind(kind)}"></i>{escape(kind)}<span>{count:,} ({count / total:.1%})</span></li>'
        for kind, count in counted
    )
    return f'<div class="kinds">{bars}</div><ul class="legend">{rows}</ul>'


def _servers(servers: Iterable[JsonObject]) -> str:
    rows = []
    for server in servers:
        name = escape(str(server.get("name", "")))
        if server.get("error"):
            rows.append(f'<tr><td>{name}</td><td class="why" colspan="4">{escape(str(server["error"])[:300])}</td></tr>')
            continue
        calls, successes = _count(server, "calls"), _count(server, "successes")
        share = f" <small>{successes / calls:.0%}</small>" if calls else ""
        numbers = (f"{_count(server, 'tools'):,}", f"{calls:,}", f"{successes:,}{share}", f"{_count(server, 'tasks'):,}")
        rows.append(f"<tr><td>{name}</td>{''.join(f'<td>{number}</td>' for number in numbers)}</tr>")
    if not rows:
        return '<p class="empty">No server took part.</p>'
    head = "<tr><th>server</th><th>tools</th><th>calls</th><th>successes</th><th>tasks</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _kind(name: str) -> str:
    return name if name in set(MatchKind) else "live"


def _count(source: Mapping[str, Any], key: str) -> int:
    """A figure of the report; a list or map counts its items."""
    value = source.get(key)
    return len(value) if isinstance(value, list | dict) else int(value or 0)


def _numbers(value: Any) -> list[tuple[str, int]]:
    return [(str(key), int(count)) for key, count in value.items()] if isinstance(value, dict) else []
