"""Turn a candidate plan into a drafted task: nodes and bindings, answer fields with evidence, and the request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import pointer_steps
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.tasks.compose import AnswerField, Candidate, answer_fields
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, task_id
from firefly_mcp.tasks.request import select_label, write_request
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call, Tool, ToolKey

ANSWER_AT_LEAST = 0.25
MAX_FIELDS = 3


@dataclass(frozen=True)
class Setting:
    """What drafting needs to know of the recording."""

    recording_id: str
    tools: Mapping[ToolKey, Tool]
    names: ExposedNames
    variety: Variety
    distractors: Distractors
    asked: set[tuple[str, str]] = field(default_factory=set)
    """Answers that earlier drafts ask for, as label and value; a draft prefers what nobody asked yet."""


def draft(candidate: Candidate, setting: Setting) -> Task | None:
    """The task of a candidate, or None when its outcome has nothing worth asking for."""
    ids = {call.id: f"n{place}" for place, call in enumerate(candidate.calls, 1)}
    plan = [_node(call, candidate, ids, setting) for call in candidate.calls]
    identity = hash_json([[node.server, node.tool, node.arguments] for node in plan])
    offered = setting.distractors.offered((node.key for node in plan), identity)
    worth = answer_fields(candidate, setting.variety, ANSWER_AT_LEAST)
    secret = [item for item in worth if not _described(item.value, offered, setting)]
    fields = _chosen(secret, identity, setting.asked)
    if not fields:
        return None
    answer: JsonObject = {}
    evidence: dict[str, Proof] = {}
    labels: dict[str, str] = {}
    for name, (label, value, selection) in _named(fields).items():
        answer[name], labels[name] = value, label
        evidence[name] = Proof(node=plan[-1].id, select=selection)
    request = write_request(plan, evidence, setting.tools, labels)
    servers = sorted({node.server for node in plan})
    return Task(
        id=task_id(request, plan, evidence),
        request=request[0].upper() + request[1:],
        answer=answer,
        answer_schema=_schema(answer, labels),
        plan=plan,
        evidence=evidence,
        tools=[setting.names.exposed(key) for key in offered],
        difficulty={2: "easy", 3: "medium"}.get(len(plan), "hard"),
        servers=servers,
        now=datetime.fromtimestamp(candidate.outcome.started_at, UTC).strftime("%Y-%m-%d"),
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


def _described(value: Any, offered: Sequence[ToolKey], setting: Setting) -> bool:
    """Whether a tool's own description holds the value: then it is no secret, and asking for it proves nothing."""
    return any(tells(setting.tools[key].description, value) for key in offered)


def _chosen(fields: Sequence[AnswerField], seed: str, asked: set[tuple[str, str]]) -> list[AnswerField]:
    """One to three fields: not asked before, the most telling, at most one of each name, plain paths before chosen items."""

    def rank(item: AnswerField) -> tuple[bool, bool, float, int, str]:
        plain = "take" in item.select
        return _pair(item) in asked, plain, -round(item.worth, 1), len(item.steps), str(item.steps)

    wanted = 1 + int(hashlib.blake2b(seed.encode(), digest_size=2).hexdigest(), 16) % MAX_FIELDS
    chosen: list[AnswerField] = []
    for item in sorted(fields, key=rank):
        label = select_label(item.select)
        # Items are chosen one at a time: two conditions in one request read badly.
        if any(select_label(other.select) == label or ("take" in item.select and "take" in other.select) for other in chosen):
            continue
        chosen.append(item)
        if len(chosen) == wanted:
            break
    asked.update(_pair(item) for item in chosen)
    return sorted(chosen, key=fields.index)


def _pair(item: AnswerField) -> tuple[str, str]:
    return select_label(item.select), str(item.value)


def _named(fields: Sequence[AnswerField]) -> dict[str, tuple[str, Any, JsonObject]]:
    named = {}
    for item in fields:
        label = select_label(item.select)
        named[re.sub(r"\W+", "_", label.lower())] = (label, item.value, item.select)
    return named


def _schema(answer: JsonObject, labels: Mapping[str, str]) -> JsonObject:
    def of(name: str, value: Any) -> JsonObject:
        kind = "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"
        return {"type": kind, "description": f"the {labels[name]}"}

    return {
        "type": "object",
        "properties": {name: of(name, value) for name, value in answer.items()},
        "required": list(answer),
        "additionalProperties": False,
    }


def names_of(tools: Mapping[ToolKey, Tool]) -> ExposedNames:
    """How replay of the whole recording exposes its tools."""
    return ExposedNames(tools, single=len({key.server for key in tools}) == 1)
