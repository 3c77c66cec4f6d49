"""Turn a candidate plan into a drafted task: nodes and bindings, answer fields with evidence, and the request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import pointer_steps
from firefly_mcp.tasks.choosing import fields_of, found, named, shortened
from firefly_mcp.tasks.compose import Candidate
from firefly_mcp.tasks.gates.wording import MAX_WORDS, tells
from firefly_mcp.tasks.kinds import difficulty, kind_of
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, task_id
from firefly_mcp.tasks.needs import needed, read_back
from firefly_mcp.tasks.request import write_request
from firefly_mcp.tasks.setting import Setting
from firefly_mcp.types import Call


def draft(candidate: Candidate, setting: Setting) -> Task | None:
    """The task of a candidate, or None when there is nothing new worth asking for or no request of fair length for it."""
    ids = {call.id: f"n{place}" for place, call in enumerate(candidate.calls, 1)}
    plan = [_node(call, candidate, ids, setting) for call in candidate.calls]
    identity = hash_json([[node.server, node.tool, node.arguments] for node in plan])
    if not needed(candidate, setting):
        return None
    chosen = fields_of(candidate, setting, identity)
    if not chosen or not setting.asked.fresh(identity, chosen):
        return None
    offered = setting.distractors.offered((node.key for node in plan), identity)
    if any(tells(setting.tools[key].description, item.value) for key in offered for _, item in chosen):
        return None
    while chosen:
        answer: JsonObject = {}
        evidence: dict[str, Proof] = {}
        labels: dict[str, str] = {}
        for name, (call_id, item) in named(chosen).items():
            answer[name], labels[name] = item.value, item.label
            evidence[name] = Proof(node=ids[call_id], select=item.select)
        request = write_request(plan, evidence, setting.tools, labels)
        told = [place for place, (_, item) in enumerate(chosen) if tells(request, item.value)]
        if not told and len(request.split()) <= MAX_WORDS:
            break
        chosen = shortened(chosen, told)
    if not chosen or not setting.asked.fresh(identity, chosen):
        return None
    if not needed(candidate, setting, request):
        return None
    setting.asked.take(identity, chosen)
    changed = {ids[call_id] for call_id in read_back(candidate, setting)}
    near = sum(key.server in candidate.servers for key in offered) - len({node.key for node in plan})
    return Task(
        id=task_id(request, plan, evidence),
        request=request[0].upper() + request[1:],
        answer=answer,
        answer_schema=_schema(answer, _described_fields(labels, evidence, plan)),
        plan=plan,
        evidence=evidence,
        tools=[setting.names.exposed(key) for key in offered],
        difficulty=difficulty(plan, near),
        kind=kind_of(plan, evidence, setting.tools, setting.relation, changed),
        servers=sorted({node.server for node in plan}),
        now=datetime.fromtimestamp(max(call.started_at for call in candidate.calls), UTC).strftime("%Y-%m-%d"),
        recording=Source(id=setting.recording_id, digest=""),
    )


def _node(call: Call, candidate: Candidate, ids: Mapping[int, str], setting: Setting) -> PlanNode:
    bindings = [
        Binding(argument=bound.pointer, source=ids[bound.source], select=bound.select) for bound in candidate.bounds[call.id]
    ]
    arguments = _blanked(call.arguments, [pointer_steps(binding.argument) for binding in bindings])
    return PlanNode(
        id=ids[call.id],
        server=call.server,
        tool=str(call.tool),
        exposed_name=setting.names.exposed(call.key),
        arguments=arguments,
        bindings=bindings,
    )


def _blanked(value: Any, places: Sequence[tuple[str, ...]]) -> Any:
    """The arguments with null where a binding will put its value."""
    if () in places:
        return None
    if isinstance(value, dict):
        return {key: _blanked(item, [p[1:] for p in places if p and p[0] == key]) for key, item in value.items()}
    if isinstance(value, list):
        return [_blanked(item, [p[1:] for p in places if p and p[0] == str(at)]) for at, item in enumerate(value)]
    return value


def worth_asking(candidate: Candidate, setting: Setting) -> bool:
    """Whether a plan can be a task or a part of one: each call is needed, and each asked one has something to ask for."""
    return needed(candidate, setting) and bool(found(candidate, setting, ""))


def _described_fields(labels: Mapping[str, str], evidence: Mapping[str, Proof], plan: Sequence[PlanNode]) -> dict[str, str]:
    """What each field is: its label, and where two have the same, which of the calls it is of."""
    counts = Counter(labels.values())
    said = {}
    for name, label in labels.items():
        told = label
        if counts[label] > 1:
            place = next(place for place, node in enumerate(plan, 1) if node.id == evidence[name].node)
            told = f"{label} that comes of step {place} of {len(plan)}"
        said[name] = told
    return said


def _schema(answer: JsonObject, labels: Mapping[str, str]) -> JsonObject:
    def of(name: str, value: Any) -> JsonObject:
        kind = (
            "boolean"
            if isinstance(value, bool)
            else "integer"
            if isinstance(value, int)
            else "number"
            if isinstance(value, float)
            else "string"
        )
        return {"type": kind, "description": f"the {labels[name]}"}

    return {
        "type": "object",
        "properties": {name: of(name, value) for name, value in answer.items()},
        "required": list(answer),
        "additionalProperties": False,
    }
