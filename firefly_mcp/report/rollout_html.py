"""The attempts at one task as HTML: what was asked and answered, each call with how it was matched, and the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from firefly_mcp.bench.outcome import outcome_of
from firefly_mcp.bench.rollout import Rollout, RolloutCall
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind

_KINDS = frozenset(map(str, MatchKind))
_LONGEST_VALUE = 600
_LONGEST_TEXT = 4000
_LONGEST_ANSWER = 400
"""Of what a tool answered, within the conversation: it stands beside its call already."""


def task_rollouts_html(task: Task, held: Sequence[Rollout]) -> str:
    """A task with all attempts at it, folded to its request and score."""
    passed = sum(one.reward == 1.0 for one in held)
    outcomes = sorted(
        {"passed" if one.reward == 1.0 else "failed" for one in held} | {one.failure for one in held if one.failure}
    )
    score = ("passed" if passed else "failed") if len(held) == 1 else f"{passed} of {len(held)} passed"
    meta = [
        f'<span class="badge {"yes" if passed else "no"}">{escape(score)}</span>',
        f'<span class="id">{escape(task.id)}</span>',
        *(
            f"<span>{escape(str(value))}</span>"
            for value in (", ".join(task.servers), getattr(task, "kind", ""), task.difficulty)
            if value
        ),
    ]
    return (
        f'<details class="task" id="{_anchor(task.id)}" data-servers="{escape(chr(10).join(task.servers))}"'
        f' data-outcomes="{escape(chr(10).join(outcomes))}">'
        f'<summary><p>{escape(task.request)}</p><div class="meta">{"".join(meta)}</div></summary>'
        f'<div class="body">{_right(task)}'
        f"{''.join(_attempt(one) for one in held)}</div></details>"
    )


def _right(task: Task) -> str:
    """What was to be answered; for a task that is graded by the world in the end, what was to be said."""
    outcome = outcome_of(task)
    if outcome is None:
        return f"<h3>Right answer</h3><p><code>{_value(task.answer)}</code></p>"
    told = ", ".join(map(str, outcome.get("told") or [])) or "nothing in particular"
    return f"<h3>What must be said</h3><p>{_value(told)}; and the world must end as the right actions leave it</p>"


def _attempt(one: Rollout) -> str:
    good = one.reward == 1.0
    told = "passed" if good else f"failed: {one.failure}"
    cost = f", {one.tokens:,} tokens" if one.tokens else ""
    trouble = f'<p class="badge no">{escape(one.error)}</p>' if one.error else ""
    answer = f"<code>{_value(one.answer)}</code>" if one.answer is not None else "none"
    how = "submitted" if one.submitted else "in its last message"
    calls = "".join(_call(call) for call in one.calls)
    return (
        f'<div class="attempt {"yes" if good else "no"}"><h3>Attempt {one.attempt + 1} '
        f'<span class="badge {"yes" if good else "no"}">{escape(told)}</span> '
        f"<small>{one.seconds:.2f} s{cost}</small></h3>{trouble}"
        f"<p>Answer{f' ({how})' if one.answer is not None and one.messages else ''}: {answer}</p>"
        f'<ol class="calls">{calls}</ol>{_talk(one.messages)}</div>'
    )


def _call(call: RolloutCall) -> str:
    kind = call.match if call.match in _KINDS else "live"
    label = call.match or ("error" if call.is_error else "answered")
    why = f" {call.cause}" if call.cause else ""
    node = f" <small>(plan {escape(call.node)})</small>" if call.node else ""
    odd = f" <small>invented: {escape(', '.join(call.invented))}</small>" if call.invented else ""
    shown = f'<details class="result"><summary>answer</summary><pre>{escape(call.shown)}</pre></details>' if call.shown else ""
    return (
        f'<li><span class="chip {kind}">{escape(label + why)}</span><b>{escape(call.name)}</b> '
        f"<code>{_value(call.arguments)}</code>{node}{odd}{shown}</li>"
    )


def _talk(messages: Sequence[JsonObject]) -> str:
    if not messages:
        return ""
    items = "".join(
        f"<dt>{escape(who)}</dt><dd><pre>{escape(_cut(said, _LONGEST_TEXT))}</pre></dd>" for who, said in map(_line, messages)
    )
    return f'<details class="talk"><summary>conversation ({len(messages)})</summary><dl>{items}</dl></details>'


def _line(message: JsonObject) -> tuple[str, str]:
    """Who speaks, and what is said."""
    kind = str(message.get("type") or "")
    if kind == "function_call":
        return f"calls {message.get('name')}", str(message.get("arguments", ""))
    if kind == "function_call_output":
        return "is answered", _cut(_said(message.get("output")), _LONGEST_ANSWER)
    if kind == "reasoning":
        return "thinks", _said(message.get("content") or message.get("summary"))
    return str(message.get("role") or kind or "says"), _said(message.get("content"))


def _said(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", text(part))) if isinstance(part, dict) else str(part) for part in content)
    if isinstance(content, dict):
        return str(content.get("text", text(content)))
    return "" if content is None else str(content)


def _anchor(task: str) -> str:
    return escape("task-" + "".join(c if c.isalnum() or c in "-_." else "_" for c in task))


def _value(value: JSON) -> str:
    return escape(_cut(value if isinstance(value, str) else text(value), _LONGEST_VALUE))


def _cut(shown: str, most: int) -> str:
    return shown if len(shown) <= most else shown[: most - 1] + "…"
