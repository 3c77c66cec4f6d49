"""The counter-check that a model reads results: the same tasks over a recording whose values are others.

Each field of a tool's results has its recorded values permuted among themselves, so that results keep their form and lose
their content; fields by which a plan finds an item stay. Later calls of a plan take the new values and get the result of the
old call, permuted in the same way. Labels are then computed anew by executing the plans on the new recording, as always.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firefly_mcp.canonical import canonical_json
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.observe.leaves import Step
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Grounds, Observed, observe
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import Task, same_value
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_mcp.types import ToolKey, params_of
from firefly_train.varied import labelled, made_up_session

Field = tuple[ToolKey, str]
"""A tool and a place in its results, list places taken together."""


def permute(tasks: Sequence[Task], store: Path, out: Path) -> list[Task]:
    """Write the permuted recording and give the tasks whose label is another in it."""
    with Recording(store) as recording:
        replay = strict_replay(recording)
        seen = {task.id: observe(task, replay) for task in tasks}
        tools = replay.index.tools
    swaps = _swaps(tasks, seen)
    with Recording(out, create=True) as permuted:
        by_server: dict[str, list[JsonObject]] = defaultdict(list)
        for key, tool in tools.items():
            by_server[key.server].append({**tool.definition, "name": key.tool})
        for server, definitions in by_server.items():
            permuted.snapshot_tools(server, definitions)
        for task in tasks:
            _record(permuted, task, seen[task.id], swaps)
    with Recording(out) as permuted:
        grounds = Grounds(strict_replay(permuted))
        told = [(task, labelled(task, grounds)) for task in tasks]
        return [again for task, again in told if again is not None and not same_value(again.answer, task.answer)]


def _record(permuted: Recording, task: Task, seen: Observed, swaps: dict[Field, dict[bytes, Any]]) -> None:
    session = made_up_session(permuted, task)
    results: dict[str, JsonObject] = {}
    try:
        for node in task.plan:
            values = [(binding, select(results[binding.source], binding.select)) for binding in node.bindings]
            arguments = bind(node.arguments, values)
            step = seen.steps[node.id]
            echoed = {canonical_json(step.bound[binding.argument]): value for binding, value in values}
            results[node.id] = _permuted(seen.result(node.id), node.key, swaps, echoed)
            call = session.begin_call(node.server, "tools/call", params_of(node.tool, arguments))
            session.end_call(call, result=results[node.id])
    except (SelectionError, KeyError, IndexError, ValueError):
        pass  # the plan does not hold on the new values; it is left out when it is executed
    finally:
        session.end()


def _swaps(tasks: Sequence[Task], seen: dict[str, Observed]) -> dict[Field, dict[bytes, Any]]:
    """For each field what stands for each value: the next of its recorded values, in the order of their text."""
    values: dict[Field, dict[bytes, Any]] = defaultdict(dict)
    kept: set[Field] = set()
    for task in tasks:
        stated = {canonical_json(value) for node in task.plan for _, value in _leaves(node.arguments, ()) if value is not None}
        uses = [(binding.source, binding.select) for node in task.plan for binding in node.bindings]
        uses += [(proof.node, proof.select) for proof in task.evidence.values()]
        for node_id, selection in uses:
            for term in selection.get("where", ()):
                kept.add((task.node(node_id).key, _last(str(term["field"]))))
        for node in task.plan:
            for body in _bodies(seen[task.id].result(node.id)):
                for steps, value in _leaves(body, ()):
                    if (
                        isinstance(value, str | int | float)
                        and not isinstance(value, bool)
                        and canonical_json(value) not in stated
                    ):
                        values[(node.key, _place(steps))][canonical_json(value)] = value
    swaps: dict[Field, dict[bytes, Any]] = {}
    for field, found in values.items():
        if (field[0], field[1].rpartition(".")[2]) in kept or len(found) < 2:
            continue
        ordered = sorted(found)
        swaps[field] = {key: found[ordered[(at + 1) % len(ordered)]] for at, key in enumerate(ordered)}
    return swaps


def _permuted(result: JsonObject, key: ToolKey, swaps: dict[Field, dict[bytes, Any]], echoed: dict[bytes, Any]) -> JsonObject:
    def swap(value: Any, steps: tuple[Step, ...]) -> Any:
        if isinstance(value, dict):
            return {name: swap(item, (*steps, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [swap(item, (*steps, at)) for at, item in enumerate(value)]
        if isinstance(value, bool) or value is None:
            return value
        told = canonical_json(value)
        return echoed[told] if told in echoed else swaps.get((key, _place(steps)), {}).get(told, value)

    other = dict(result)
    if "structuredContent" in result:
        other["structuredContent"] = _wrapped(result["structuredContent"], lambda body: swap(body, ()))
    other["content"] = [
        {**item, "text": _in_text(item["text"], lambda body: swap(body, ()))} if item.get("type") == "text" else item
        for item in result.get("content") or []
    ]
    return other


def _wrapped(body: Any, change: Any) -> Any:
    """Some servers put JSON text under ``result``; it is changed inside."""
    if isinstance(body, dict) and set(body) == {"result"} and isinstance(body["result"], str):
        return {"result": _in_text(body["result"], change)}
    return change(body)


def _in_text(said: str, change: Any) -> str:
    """JSON text with its values changed, written as it was: another layout would be another task."""
    try:
        body = loads(said.encode())
    except ValueError:
        return said
    if not isinstance(body, dict | list):
        return said
    for write in _LAYOUTS:
        if write(body) == said:
            return write(change(body))
    return dumps(change(body)).decode()


_LAYOUTS: tuple[Callable[[Any], str], ...] = (
    lambda body: dumps(body).decode(),
    lambda body: json.dumps(body, indent=2, ensure_ascii=False),
    lambda body: json.dumps(body, indent=2),
    lambda body: json.dumps(body, ensure_ascii=False),
    json.dumps,
)


def _bodies(result: JsonObject) -> list[Any]:
    structured = result.get("structuredContent")
    if isinstance(structured, dict) and set(structured) == {"result"} and isinstance(structured["result"], str):
        return [body for body in (_loaded(structured["result"]),) if body is not None]
    if structured is not None:
        return [structured]
    said = [_loaded(item["text"]) for item in result.get("content") or [] if item.get("type") == "text"]
    return [body for body in said if body is not None]


def _loaded(said: str) -> Any:
    try:
        return loads(said.encode())
    except ValueError:
        return None


def _leaves(value: Any, steps: tuple[Step, ...]) -> list[tuple[tuple[Step, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in _leaves(item, (*steps, name))]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, (*steps, at))]
    return [(steps, value)]


def _place(steps: tuple[Step, ...]) -> str:
    return ".".join("*" if isinstance(step, int) else str(step) for step in steps)


def _last(path: str) -> str:
    return path.rpartition(".")[2]
