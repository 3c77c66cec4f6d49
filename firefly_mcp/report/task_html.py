"""One task as HTML: its request, its answer with the call that proves each field, its plan, and what the gates said."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import orjson

from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.observe import result_view

_LONGEST_RESULT = 2400
_LONGEST_VALUE = 240


def task_html(task: JsonObject) -> str:
    """The task, folded to its request; opening it shows answer, plan, evidence and verdicts."""
    plan = [node for node in task.get("plan", ()) if isinstance(node, dict)]
    numbers = {str(node.get("id")): number for number, node in enumerate(plan, 1)}
    servers = [str(name) for name in task.get("servers", ())]
    meta = [
        f'<span class="id">{escape(str(task.get("id", "")))}</span>',
        f"<span>{len(plan)} calls</span>",
        f"<span>{escape(', '.join(servers))}</span>",
        *(f"<span>{escape(str(task[key]))}</span>" for key in ("difficulty", "split") if task.get(key)),
    ]
    return (
        f'<details class="task" id="{_anchor(task)}" data-servers="{escape(chr(10).join(servers))}">'
        f'<summary><p>{escape(str(task.get("request", "")))}</p><div class="meta">{"".join(meta)}</div></summary>'
        f'<div class="body"><h3>Answer</h3>{_answer(task, numbers)}'
        f"<h3>Plan</h3>{_plan(task, plan, numbers)}{_verdicts(task)}</div></details>"
    )


def _anchor(task: JsonObject, node: str | None = None) -> str:
    name = str(task.get("id", "")) if node is None else f"{task.get('id', '')}.{node}"
    return escape("task-" + "".join(c if c.isalnum() or c in "-_." else "_" for c in name))


def _answer(task: JsonObject, numbers: Mapping[str, int]) -> str:
    answer, evidence = task.get("answer"), task.get("evidence") or {}
    if not isinstance(answer, dict):
        return f"<p>{_value(answer)}</p>"
    rows = []
    for field, value in answer.items():
        proof = evidence.get(field)
        why = ""
        if isinstance(proof, dict):
            node = str(proof.get("node"))
            link = f'<a href="#{_anchor(task, node)}">call {numbers.get(node, escape(node))}</a>'
            why = f"<span>proved by {link}: {selection(proof.get('select'))}</span>"
        rows.append(f"<dt>{escape(field)}</dt><dd><b>{_value(value)}</b>{why}</dd>")
    return f'<dl class="answer">{"".join(rows)}</dl>'


def _plan(task: JsonObject, plan: list[JsonObject], numbers: Mapping[str, int]) -> str:
    answer, evidence = task.get("answer") or {}, task.get("evidence") or {}
    proved: dict[str, list[JSON]] = {}
    for field, proof in evidence.items():
        if isinstance(proof, dict) and isinstance(answer, dict) and field in answer:
            proved.setdefault(str(proof.get("node")), []).append(answer[field])
    items = []
    for node in plan:
        node_id = str(node.get("id"))
        call = f" <small>recorded call {escape(str(node['call']))}</small>" if node.get("call") is not None else ""
        result = _result(node["result"], proved.get(node_id, [])) if node.get("result") is not None else ""
        items.append(
            f'<li id="{_anchor(task, node_id)}"><div class="call">{numbers[node_id]}. {escape(str(node.get("server", "")))} '
            f"/ {escape(str(node.get('tool', '')))}{call}</div>{_arguments(task, node, numbers)}{result}</li>"
        )
    return f'<ol class="plan">{"".join(items)}</ol>'


def _arguments(task: JsonObject, node: JsonObject, numbers: Mapping[str, int]) -> str:
    bound: dict[str, JsonObject] = {str(b.get("argument")): b for b in node.get("bindings") or () if isinstance(b, dict)}
    rows = []
    for name, value in (node.get("arguments") or {}).items():
        if f"/{_pointer(name)}" not in bound:
            rows.append(f"<li><code>{escape(str(name))}</code> = {_value(value)}</li>")
    for pointer, binding in bound.items():
        source = str(binding.get("from"))
        link = f'<a href="#{_anchor(task, source)}">call {numbers.get(source, escape(source))}</a>'
        rows.append(
            f"<li><code>{escape(pointer.removeprefix('/'))}</code> "
            f'<span class="from">taken from {link}: {selection(binding.get("select"))}</span></li>'
        )
    return f'<ul class="args">{"".join(rows)}</ul>' if rows else ""


def _pointer(name: str) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def selection(select: Any) -> str:
    """A selection in words, as HTML."""
    if not isinstance(select, dict):
        return ""
    if "regex" in select:
        return f"the match of {_code(select['regex'])}"
    path = _code(select.get("path", "$"))
    take = f", its {_code(select['take'])}" if select.get("take") not in (None, "$") else ""
    if "where" in select:
        terms = [_condition(term) for term in select["where"] if isinstance(term, dict)]
        return f"the one of {path} where {' and '.join(terms)}{take}"
    for how, words in (("argmin", "smallest"), ("argmax", "largest")):
        if how in select:
            return f"the {words} of {path}{_key('by', select[how])}{take}"
    first = select.get("first")
    if isinstance(first, dict):
        place = "last" if first.get("desc") else "first"
        return f"the {place} of {path} in order{_key('of', first.get('by'))}{take}"
    return f"{path}{take}"


def _key(word: str, path: Any) -> str:
    return "" if path in (None, "$") else f" {word} {_code(path)}"


def _condition(term: JsonObject) -> str:
    words = [f"{escape(str(how))} {_value(value)}" for how, value in term.items() if how != "field"]
    return f"{_code(term.get('field'))} {' '.join(words)}"


def _result(result: Any, values: list[JSON]) -> str:
    shown = _readable(result)
    needles = sorted({_spelled(value) for value in values if _spelled(value)}, key=len, reverse=True)
    cut = len(shown) > _LONGEST_RESULT
    if cut:
        # The proof must be seen: where it lies further down, the window moves there.
        at = min((shown.find(needle) for needle in needles if needle in shown), default=0)
        start = 0 if at < _LONGEST_RESULT - 200 else at - _LONGEST_RESULT // 2
        shown = ("…" if start else "") + shown[start : start + _LONGEST_RESULT] + "…"
    out = escape(shown)
    for needle in map(escape, needles):
        out = out.replace(needle, f"<mark>{needle}</mark>", 1) if "<mark>" not in needle else out
    return f'<details class="result"><summary>result{" (shortened)" if cut else ""}</summary><pre>{out}</pre></details>'


def _readable(result: Any) -> str:
    """What the result says, as paths and patterns see it: JSON indented, prose as it is."""
    if not isinstance(result, dict):
        return result if isinstance(result, str) else _indented(result)
    view = result_view(result)
    if view.kind == "empty":
        return _indented(result)
    return str(view.value) if view.kind == "text" else _indented(view.value)


def _indented(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return text(value)


def _spelled(value: JSON) -> str:
    return value if isinstance(value, str) else text(value)


def _value(value: JSON) -> str:
    shown = _spelled(value)
    return escape(shown if len(shown) <= _LONGEST_VALUE else shown[: _LONGEST_VALUE - 1] + "…")


def _code(value: Any) -> str:
    return f"<code>{escape(str(value))}</code>"


def _verdicts(task: JsonObject) -> str:
    verdicts = task.get("verdicts") or []
    if isinstance(verdicts, dict):
        verdicts = [{"gate": gate, **(said if isinstance(said, dict) else {"passed": said})} for gate, said in verdicts.items()]
    rows = [
        f'<li class="{"yes" if said.get("passed") else "no"}"><b>{escape(str(said.get("gate", "")))}</b> '
        f"<span>{escape(str(said.get('reason') or ''))}</span></li>"
        for said in verdicts
    ]
    return f'<h3>Verdicts</h3><ul class="verdicts">{"".join(rows)}</ul>' if rows else ""
