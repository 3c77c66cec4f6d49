"""Eight ways to spoil a sound task, each by seed. Used by :mod:`benchmarks.faults`.

Each way takes a task with what its plan observes and gives a spoiled copy, or None where the task offers nothing to spoil in
that way. The digest is blanked, as in a task that was just drafted, so that it cannot do the gates' work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import pointer_steps, result_view, walk
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Observed
from firefly_mcp.tasks.model import Task, same_value
from firefly_mcp.tasks.selection import SelectionError, select, selection_for
from firefly_mcp.tasks.slots import placed_slots, writable, written
from firefly_mcp.types import params_of

MAX_WORDS = 60
Spoiler = Callable[[Task, Observed, Sequence[Task], random.Random], Task | None]


def changed(task: Task, **update: Any) -> Task:
    """A copy with some keys replaced, not yet proven."""
    document = task.model_dump(mode="json", by_alias=True)
    document |= {"recording": {"id": task.recording.id, "digest": ""}, "verdicts": []}
    return Task.model_validate({**document, **update})


def answer_changed(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """One field says something else."""
    name = chance.choice(sorted(task.answer))
    return changed(task, answer={**task.answer, name: other_value(task.answer[name], chance)})


def evidence_moved(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """The evidence of one field points to another value of the plan's results."""
    name = chance.choice(sorted(task.answer))
    places = []
    for node in task.plan:
        view = result_view(seen.result(node.id))
        if view.kind in ("structured", "json"):
            for steps, value in list(walk(view.value))[:200]:
                if not isinstance(value, dict | list) and not same_value(value, task.answer[name]):
                    selection = selection_for(view, steps)
                    if selection is not None:
                        places.append({"node": node.id, "select": selection})
    if not places:
        return None
    evidence = {field: proof.model_dump() for field, proof in task.evidence.items()}
    return changed(task, evidence={**evidence, name: chance.choice(places)})


def call_unnecessary(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """One call is not needed: its value is stated in the request, or it is another task's first call."""
    ways = [_value_stated, _call_added]
    chance.shuffle(ways)
    return ways[0](task, seen, others, chance) or ways[1](task, seen, others, chance)


def _value_stated(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    answering = {proof.node for proof in task.evidence.values()}
    sources = sorted({binding.source for node in task.plan for binding in node.bindings} - answering)
    if not sources:
        return None
    source = chance.choice(sources)
    plan = [node.model_dump(mode="json", by_alias=True) for node in task.plan]
    said = []
    for node in plan:
        for binding in [one for one in node["bindings"] if one["from"] == source]:
            value = seen.steps[node["id"]].bound[binding["argument"]]
            if not writable(value):
                return None
            node["bindings"].remove(binding)
            _put(node["arguments"], pointer_steps(binding["argument"]), value)
            said.append(written(value))
    predicates = [
        term["equals"] for node in task.plan for b in node.bindings if b.source == source for term in _terms(b.select)
    ]
    kept = [term["equals"] for one in plan for b in one["bindings"] for term in _terms(b["select"])]
    kept += [value for one in plan for _, value in walk(one["arguments"])] + [
        term["equals"] for proof in task.evidence.values() for term in _terms(proof.select)
    ]
    gone = [value for value in predicates if not any(same_value(value, other) for other in kept)]
    request = task.request
    for value in gone:
        request = request.replace(written(value), "some", 1)
    return _short(changed(task, plan=plan, request=f"{request} The value to go on with is {' or '.join(said)}."))


def _call_added(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    for other in chance.sample(list(others), min(20, len(others))):
        node = other.plan[0].model_dump(mode="json", by_alias=True)
        literals = [v for _, v in walk(node["arguments"]) if not isinstance(v, dict | list) and v is not None]
        nested = any(isinstance(value, dict | list) for value in node["arguments"].values())
        own = {(one.server, one.tool) for one in task.plan}
        if (node["server"], node["tool"]) in own or nested or not all(map(writable, literals)):
            continue
        node["id"] = "n0"
        plan = [node, *(one.model_dump(mode="json", by_alias=True) for one in task.plan)]
        also = f" Also look at {' and '.join(map(written, literals))}." if literals else ""
        spoiled = changed(
            task,
            plan=plan,
            request=task.request + also,
            tools=[*task.tools, node["exposed_name"]],
            servers=sorted({*task.servers, node["server"]}),
        )
        if _short(spoiled):
            return spoiled
    return None


def answer_leaked(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """The request says what it asks for."""
    value = task.answer[chance.choice(sorted(task.answer))]
    if isinstance(value, bool | dict | list) or value is None:
        return None
    shown = int(value) if isinstance(value, float) and value.is_integer() else value
    frame = chance.choice(["I believe it is {}.", "Last time that was {}.", "It should come to {}.", "Is it {}?"])
    return changed(task, request=f"{task.request} {frame.format(shown)}")


def duplicated(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """The same task again: as it is, in other capitals, with another opening, or under other names of nodes and fields."""
    way = chance.randrange(4)
    twin = {"id": f"t-twin-{task.id}"}
    if way == 1:
        twin["request"] = f"Please: {task.request}"
    if way == 2:
        twin["request"] = task.request.replace(". ", ".  ")
    if way == 3:
        names = {name: f"{name}_again" for name in task.answer}
        schema = {**task.answer_schema, "required": list(names.values())}
        schema["properties"] = {names[name]: one for name, one in task.answer_schema["properties"].items()}
        evidence = {names[name]: proof.model_dump() for name, proof in task.evidence.items()}
        answer = {names[name]: value for name, value in task.answer.items()}
        return changed(task, **twin, answer=answer, answer_schema=schema, evidence=evidence)
    return changed(task, **twin)


def volatile_value(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """Nothing in the task is changed: a further session observes another answer (:func:`observe_otherwise`)."""
    node = task.evidence[min(task.evidence)].node
    return changed(task) if result_view(seen.result(node)).kind in ("structured", "json") else None


def binding_broken(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """A binding takes another value, from another place or another node, goes to another argument, or is gone."""
    plan = [node.model_dump(mode="json", by_alias=True) for node in task.plan]
    bound = [(node, binding) for node in plan for binding in node["bindings"]]
    if not bound:
        return None
    node, binding = chance.choice(bound)
    value = seen.steps[node["id"]].bound[binding["argument"]]
    way = chance.randrange(3)
    if way == 0:
        node["bindings"].remove(binding)
    elif way == 1:
        sources = [one for one in plan[: plan.index(node)] if not _takes(seen, one["id"], binding["select"], value)]
        if not sources:
            return None
        binding["from"] = chance.choice(sources)["id"]
    else:
        view = result_view(seen.result(binding["from"]))
        if view.kind not in ("structured", "json"):
            return None
        leaves = [
            (s, v) for s, v in list(walk(view.value))[:200] if not isinstance(v, dict | list) and not same_value(v, value)
        ]
        places = [found for steps, _ in leaves if (found := selection_for(view, steps)) is not None and "where" not in found]
        if not places:
            return None
        binding["select"] = chance.choice(places)
    return changed(task, plan=plan)


def argument_missing(task: Task, seen: Observed, others: Sequence[Task], chance: random.Random) -> Task | None:
    """One literal is gone from the request."""
    places = placed_slots(task.request)
    if not places:
        return None
    start, end, value = chance.choice(places)
    if sum(same_value(value, other) for _, _, other in places) > 1:
        return None
    instead = chance.choice(["the usual one", "it", "something", ""])
    return changed(task, request=task.request[:start] + instead + task.request[end:])


SPOILERS: dict[str, tuple[Spoiler, frozenset[str]]] = {
    "answer changed": (answer_changed, frozenset({"evidence"})),
    "evidence path moved": (evidence_moved, frozenset({"evidence"})),
    "a call made unnecessary": (call_unnecessary, frozenset({"necessity"})),
    "answer leaked into the request": (answer_leaked, frozenset({"leakage"})),
    "duplicated": (duplicated, frozenset({"uniqueness"})),
    "volatile value": (volatile_value, frozenset({"stability"})),
    "binding broken": (binding_broken, frozenset({"execution", "binding", "determinacy"})),
    "argument missing from the request": (argument_missing, frozenset({"completeness"})),
}
"""Each way by its name, with the gates whose office it is to catch it."""


def observe_otherwise(recording: Recording, task: Task, seen: Observed, chance: random.Random) -> None:
    """Record a further session of the plan in a fresh sandbox that answers with another value in one answer field."""
    name = min(task.evidence)
    proof = task.evidence[name]
    session = recording.begin_session("confirm")
    for server in {node.server for node in task.plan}:
        session.connect(server, {}, origin=_proven_origin(seen, _first(task, server), server))
    for node in task.plan:
        step = seen.steps[node.id]
        result: JsonObject = step.call.result or {}
        if node.id == proof.node:
            result = _otherwise(result, task.answer[name], chance)
        call = session.begin_call(node.server, "tools/call", params_of(node.tool, step.arguments))
        session.end_call(call, result=result)
    session.end()


def _proven_origin(seen: Observed, node: str, server: str) -> str:
    """A proven origin from which a node's call was observed; the gate for stability let the task through, so there is one."""
    step, index = seen.steps[node], seen.replay.index
    same = (one for one in index.exact(step.call.key, step.call.args_hash) if one.state_key == step.state_key)
    origins = (index.connections[one.session, server].origin for one in same if (one.session, server) in index.connections)
    return next(origin for origin in origins if origin.startswith("proven("))


def other_value(value: Any, chance: random.Random) -> Any:
    """A value of the same type that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 7, 10, 100])
    if isinstance(value, float):
        return round(value * chance.choice([0.9, 1.01, 2]) + 0.5, 4)
    if isinstance(value, str):
        return chance.choice([f"{value}s", f"the {value}", value[::-1] if value[::-1] != value else value + "x"])
    return [value]


def _otherwise(result: JsonObject, answer: Any, chance: random.Random) -> JsonObject:
    from firefly_mcp.jsonio import text

    other = other_value(answer, chance)

    def swap(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: swap(item) for key, item in value.items()}
        if isinstance(value, list):
            return [swap(item) for item in value]
        return other if same_value(value, answer) else value

    said = swap(result_view(result).value)
    told: JsonObject = {"content": [{"type": "text", "text": text(said)}]}
    if "structuredContent" in result:
        told["structuredContent"] = said if isinstance(said, dict) else {"result": said}
    return told


def _takes(seen: Observed, node: str, selection: JsonObject, value: Any) -> bool:
    try:
        return same_value(select(seen.result(node), selection), value)
    except SelectionError:
        return False


def _terms(selection: JsonObject) -> list[JsonObject]:
    return list(selection.get("where") or [])


def _first(task: Task, server: str) -> str:
    return next(node.id for node in task.plan if node.server == server)


def _put(arguments: Any, steps: Sequence[str], value: Any) -> None:
    for step in steps[:-1]:
        arguments = arguments[int(step)] if isinstance(arguments, list) else arguments[step]
    if isinstance(arguments, list):
        arguments[int(steps[-1])] = value
    else:
        arguments[steps[-1]] = value


def _short(task: Task) -> Task | None:
    return task if len(task.request.split()) <= MAX_WORDS else None
