"""``firefly train report``: one HTML page of a run, which fetches nothing. Everything a model or server said is escaped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.report.html import duration
from firefly_train.curve import draw
from firefly_train.figures import ROLLOUTS, RUN, read_lines

PAGE = "report.html"
SHOWN = 40
"""Trajectories on the page: the last ones on held-out tasks, or on training tasks where none was held out."""
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:62rem;padding:1rem;color:#123;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde;vertical-align:top}td.n,th.n{text-align:right}
.wide{overflow-x:auto}svg{max-width:100%;height:auto}details{margin:.4rem 0}code{overflow-wrap:anywhere}
.good{color:#062}.bad{color:#a10}footer{margin-top:2rem;color:#567;font-size:.85rem}
"""


def write_page(folder: Path) -> Path:
    """Write the page of a run into its folder; gives its path.

    Raises:
        UsageError: the folder is not a run's.
    """
    try:
        run: JsonObject = loads((folder / RUN).read_bytes())
    except OSError as error:
        raise UsageError(f"{folder}: not the folder of a run: it has no {RUN}") from error
    except ValueError as error:
        raise UsageError(f"{folder / RUN}: not JSON ({error})") from error
    path = folder / PAGE
    path.write_text(render(run, read_lines(folder / ROLLOUTS)), encoding="utf-8")
    return path


def render(run: JsonObject, rollouts: Sequence[JsonObject]) -> str:
    """The page.

    Args:
        run: the content of ``run.json``.
        rollouts: the lines of ``rollouts.jsonl``.
    """
    config = run["config"]
    name = f"Training with the preset {config.get('preset', '?')}"
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{escape(_lead(run))}</p>",
        f"<h2>Curve</h2>{_curve(run)}",
        f"<h2>Held-out tasks</h2>{_validations(run.get('heldout') or [])}",
        f"<h2>What replay answered</h2>{_replay(run)}",
        f"<h2>Steps</h2>{_steps(run['steps'])}",
        f"<h2>Trajectories</h2>{_trajectories(rollouts)}",
        f"<h2>Configuration</h2>{_configuration(config)}",
        f"<footer>Firefly MCP {escape(__version__)}</footer>",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _lead(run: JsonObject) -> str:
    made, config = run["steps"], run["config"]
    if not made:
        return "The run ended before its first step."
    said = [
        f"{len(made)} steps{'' if run.get('finished') else ' (not finished)'}, {run['trajectories']:,} trajectories,"
        f" {run['tool_calls']:,} tool calls answered by the recording, {run['infrastructure_errors']} infrastructure errors."
    ]
    said.append(f"Mean reward {made[0]['reward_mean']:.3f} in the first step, {made[-1]['reward_mean']:.3f} in the last.")
    if run.get("heldout_before") is not None and run.get("heldout_after") is not None:
        said.append(f"On held-out tasks {run['heldout_before']:.3f} before and {run['heldout_after']:.3f} after.")
    if run.get("replay_share") is not None:
        said.append(f"Some trajectory waited for replay during {run['replay_share']:.1%} of the step time.")
    if config.get("seconds"):
        said.append(f"It took {duration(float(config['seconds']))}.")
    return " ".join(said)


def _curve(run: JsonObject) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curve.svg"
        if not draw(run, path):
            return "<p>There is no step to draw.</p>"
        drawn = path.read_text(encoding="utf-8")
    return f'<div class="wide">{drawn[drawn.index("<svg") :]}</div>'


def _validations(entries: Sequence[JsonObject]) -> str:
    if not entries:
        return "<p>No task was held out.</p>"
    rows = []
    for entry in entries:
        for split, told in {"all": entry, **(entry.get("by_split") or {})}.items():
            rows.append([entry["step"], split, told["tasks"], _share(told["pass@1"]), _share(told["pass@4"])])
    return _table(["after step", "split", "tasks", "pass@1", "pass@4"], rows)


def _replay(run: JsonObject) -> str:
    total = max(1, run["tool_calls"])
    rows = [[kind, f"{count:,}", f"{count / total:.1%}"] for kind, count in sorted(run["by_match"].items())]
    rows += [[f"miss: {cause}", f"{count:,}", f"{count / total:.1%}"] for cause, count in sorted(run["misses"].items())]
    rows.append(["refused before replay", f"{run['refused_calls']:,}", ""])
    return _table(["answer", "calls", "share"], rows)


def _steps(made: Sequence[JsonObject]) -> str:
    rows = [
        [
            entry["step"],
            f"{entry['reward_mean']:.3f}",
            f"{entry['seconds'] or 0:.1f}",
            _share(entry.get("replay_share")),
            entry["tool_calls"],
            ", ".join(f"{cause} {count}" for cause, count in sorted(entry["misses"].items())) or "0",
            f"{entry['response_tokens'] or 0:.0f}",
        ]
        for entry in made
    ]
    head = ["step", "reward", "seconds", "replay's share", "calls", "misses", "response tokens"]
    return f"<details><summary>{len(rows)} steps</summary>{_table(head, rows)}</details>"


def _trajectories(rollouts: Sequence[JsonObject]) -> str:
    held_out = [line for line in rollouts if line["split"] != "train"]
    chosen = list(held_out or rollouts)[-SHOWN:]
    rows = [
        [
            line["step"],
            line["task"],
            '<span class="good">right</span>' if line["reward"] >= 1 else '<span class="bad">wrong</span>',
            f"<code>{escape(text(line['answer']))}</code>",
            line["calls"],
            sum(line["misses"].values()),
        ]
        for line in chosen
    ]
    if not rows:
        return "<p>None was logged.</p>"
    return _table(["step", "task", "outcome", "answer", "calls", "misses"], rows, raw=(2, 3))


def _configuration(config: JsonObject) -> str:
    told = {key: value for key, value in config.items() if key != "overrides"}
    rows = [[key, f"<code>{escape(text(value))}</code>"] for key, value in told.items()]
    lines = "".join(f"<li><code>{escape(str(line))}</code></li>" for line in config.get("overrides", []))
    return f"{_table(['key', 'value'], rows, raw=(1,))}<details><summary>verl's overrides</summary><ul>{lines}</ul></details>"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], raw: Sequence[int] = ()) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if at in raw else escape(str(cell))}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
