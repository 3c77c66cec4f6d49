"""Turn a candidate plan into a drafted task: nodes and bindings, answer fields with evidence, and the request."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import informative, json_pointer, pointer_steps, walk
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.tasks.compose import Candidate, argument_at
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.tasks.fields import TELLING, AnswerField, Offers, of_the_day, text_of
from firefly_mcp.tasks.gates.wording import MAX_WORDS, tells
from firefly_mcp.tasks.kinds import difficulty, kind_of
from firefly_mcp.tasks.literals import predicates
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, task_id
from firefly_mcp.tasks.request import write_request
from firefly_mcp.types import Call, Tool, ToolKey

TIMES = 24
"""A value is asked for at most so many times, each time with others or after other calls."""
GUESSED = 0.2
"""A guesser who knows what was asked before, and how often, may have a draft right with this chance."""
READ_BACK = 0.5
"""A value of this weight that a change was given and a later read shows was hardly there by chance."""
MAX_FIELDS = 3
"""Of one call; of all calls of a plan together one more is asked."""


Chosen = list[tuple[int, AnswerField]]
"""Answer fields, each with the id of the call whose result holds it."""


class Asked:
    """What earlier drafts ask for; a draft prefers what nobody asked yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._times: Counter[tuple[str, str]] = Counter()
        self._labels: Counter[str] = Counter()
        self._solutions: set[tuple[str, ...]] = set()

    def often(self, item: AnswerField) -> int:
        """How often a value was asked for."""
        return self._times[(item.label, str(item.value))]

    def fresh(self, plan: str, chosen: Chosen) -> bool:
        """Whether the plan was not asked for just this before, and something of it cannot be guessed from earlier answers."""
        if (plan, *(str(item.select) for _, item in chosen)) in self._solutions:
            return False
        if any(self.often(item) == 0 for _, item in chosen):
            return True
        chance = math.prod((self.often(item) + 1) / (self._labels[item.label] + 1) for _, item in chosen)
        return chance <= GUESSED and all(self.often(item) < TIMES for _, item in chosen)

    def take(self, plan: str, chosen: Chosen) -> None:
        """Count a draft."""
        self._solutions.add((plan, *(str(item.select) for _, item in chosen)))
        for _, item in chosen:
            self._times[(item.label, str(item.value))] += 1
            self._labels[item.label] += 1


@dataclass(frozen=True)
class Setting:
    """What drafting needs to know of the recording."""

    recording_id: str
    tools: Mapping[ToolKey, Tool]
    names: ExposedNames
    relation: EffectRelation
    offers: Offers
    distractors: Distractors
    asked: Asked = field(default_factory=Asked)


def draft(candidate: Candidate, setting: Setting) -> Task | None:
    """The task of a candidate, or None when there is nothing new worth asking for or no request of fair length for it."""
    ids = {call.id: f"n{place}" for place, call in enumerate(candidate.calls, 1)}
    plan = [_node(call, candidate, ids, setting) for call in candidate.calls]
    identity = hash_json([[node.server, node.tool, node.arguments] for node in plan])
    if not _needed(candidate, setting):
        return None
    chosen = _fields(candidate, setting, identity)
    if not chosen or not setting.asked.fresh(identity, chosen):
        return None
    offered = setting.distractors.offered((node.key for node in plan), identity)
    if any(tells(setting.tools[key].description, item.value) for key in offered for _, item in chosen):
        return None
    while chosen:
        answer: JsonObject = {}
        evidence: dict[str, Proof] = {}
        labels: dict[str, str] = {}
        for name, (call_id, item) in _named(chosen).items():
            answer[name], labels[name] = item.value, item.label
            evidence[name] = Proof(node=ids[call_id], select=item.select)
        request = write_request(plan, evidence, setting.tools, labels)
        told = [place for place, (_, item) in enumerate(chosen) if tells(request, item.value)]
        if not told and len(request.split()) <= MAX_WORDS:
            break
        chosen = _shortened(chosen, told)
    if not chosen or not setting.asked.fresh(identity, chosen):
        return None
    if not _needed(candidate, setting, request):
        return None
    setting.asked.take(identity, chosen)
    changed = {ids[call_id] for call_id in _read_back(candidate, setting)}
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


def reads_back(candidate: Candidate, setting: Setting) -> bool:
    """Whether a plan of several calls was seen to read a state that it made itself."""
    if not candidate.changes:
        return False
    calls = candidate.calls
    effects = [
        setting.relation.effect(writer.key, reader.key)
        for place, reader in enumerate(calls)
        for writer in calls[:place]
        if writer.server == reader.server and writer.id in candidate.changes
    ]
    return bool(_read_back(candidate, setting)) or any(effect.affects and effect.evident for effect in effects)


def _read_back(candidate: Candidate, setting: Setting) -> set[int]:
    """The calls of which it was seen that they answer what earlier calls of the plan made: they answer otherwise where nothing
    was changed, or show a telling value that was handed to a change before them and not to themselves.
    """
    found = set()
    for place, call in enumerate(candidate.calls):
        before = [other for other in candidate.calls[:place] if other.id in candidate.changes and other.server == call.server]
        if not before:
            continue
        offer = setting.offers.of(call)
        own = {text_of(value) for _, value in walk(call.arguments) if not isinstance(value, dict | list)}
        given = [value for other in before for _, value in walk(other.arguments) if not isinstance(value, dict | list)]
        if offer.state or any(informative(v) >= READ_BACK and text_of(v) not in own and offer.reveals(v) for v in given):
            found.add(call.id)
    return found


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
    return _needed(candidate, setting) and bool(_found(candidate, setting, ""))


def _needed(candidate: Candidate, setting: Setting, request: str = "") -> bool:
    """Whether each call that only hands a value on hands on one that neither the request nor another result tells, and that
    is not the day's own.
    """
    stated = {request} if request else _stated(candidate)
    for own in candidate.bounds.values():
        places = [(bound.source, hash_json(bound.select)) for bound in own]
        if len(places) > len(set(places)):  # "from that result to that result": nobody asks for it
            return False
    for source in candidate.calls:
        given = [
            argument_at(call.arguments, bound.pointer)
            for call in candidate.calls
            for bound in candidate.bounds[call.id]
            if bound.source == source.id
        ]
        if not given or source.id in candidate.asked or source.id in candidate.changes:
            continue
        lost = {source.id}
        for call in candidate.calls:
            if any(bound.source in lost for bound in candidate.bounds[call.id]):
                lost.add(call.id)
        rest = [setting.offers.of(call) for call in candidate.calls if call.id not in lost]
        if any(of_the_day(source, value) for value in given):
            return False
        if all(any(tells(text, value) for text in stated) or any(offer.reveals(value) for offer in rest) for value in given):
            return False
    return True


def _stated(candidate: Candidate) -> set[str]:
    """What the request has to state: the literals, and what tells chosen items from others."""
    stated = set()
    for call in candidate.calls:
        bound = {bound.pointer for bound in candidate.bounds[call.id]}
        for steps, value in walk(call.arguments):
            if not isinstance(value, dict | list) and json_pointer(steps) not in bound:
                stated.add(text_of(value))
        stated |= {text_of(value) for own in candidate.bounds[call.id] for _, value in predicates(own.select)}
    return stated


def _fields(candidate: Candidate, setting: Setting, seed: str) -> Chosen:
    """What :func:`_found` finds, if something of it is telling; else nothing."""
    chosen = _found(candidate, setting, seed)
    return chosen if any(item.worth >= TELLING for _, item in chosen) else []


def _found(candidate: Candidate, setting: Setting, seed: str) -> Chosen:
    """For each asked call at least one field that no other call reveals; empty when one of them has none."""
    known = {
        text_of(value) for call in candidate.calls for _, value in walk(call.arguments) if not isinstance(value, dict | list)
    }
    asked = [call for call in candidate.calls if call.id in candidate.asked]
    chosen: Chosen = []
    for call in asked:
        others = [setting.offers.of(other) for other in candidate.calls if other.id != call.id]
        hidden = [
            item
            for item in setting.offers.of(call).fields
            if text_of(item.value) not in known
            and not any(tells(text, item.value) for text in known)
            and not tells(setting.tools[call.key].description, item.value)
            and not any(offer.reveals(item.value) for offer in others)
        ]
        wanted = 1 + _pick(seed, MAX_FIELDS) if len(asked) == 1 else 2 if len(asked) == 2 and _pick(seed, 3) == 0 else 1
        own = _chosen(hidden, wanted, setting, taken=[item.label for _, item in chosen])
        if not own:
            return []
        chosen += [(call.id, item) for item in own]
    return chosen


def _chosen(fields: Sequence[AnswerField], wanted: int, setting: Setting, taken: Sequence[str]) -> list[AnswerField]:
    """The most telling fields that were not asked before, at most one of each name, plain paths before chosen items.

    A field of a name that is ``taken`` by another call comes first: the answers can then be compared.
    """

    def rank(item: AnswerField) -> tuple[bool, int, bool, bool, float, str]:
        aside = item.label not in taken
        return (
            item.worth < TELLING,
            setting.asked.often(item),
            aside,
            _is_item(item),
            -round(item.worth, 1),
            str(item.select),
        )

    chosen: list[AnswerField] = []
    for item in sorted(fields, key=rank):
        if item.worth < TELLING and chosen:
            break
        # Items are chosen one at a time: two conditions in one request read badly.
        if any(other.label == item.label or (_is_item(item) and _is_item(other)) for other in chosen):
            continue
        chosen.append(item)
        if len(chosen) == wanted:
            break
    return sorted(chosen, key=fields.index)


def _shortened(chosen: Chosen, told: Sequence[int]) -> Chosen:
    """One field fewer, of a call that has several; one of those at ``told`` if there are such; empty when there is none."""
    counts = Counter(call_id for call_id, _ in chosen)
    for place in reversed(told or range(len(chosen))):
        if counts[chosen[place][0]] > 1:
            return chosen[:place] + chosen[place + 1 :]
    return []


def _is_item(item: AnswerField) -> bool:
    return "take" in item.select or "where" in item.select


def _pick(seed: str, options: int) -> int:
    return int(hashlib.blake2b(seed.encode(), digest_size=2).hexdigest(), 16) % options


def _named(chosen: Chosen) -> dict[str, tuple[int, AnswerField]]:
    """Each field by its name in the answer; fields of one name are numbered in the order of the plan."""
    slugs = [re.sub(r"\W+", "_", item.label.lower()).strip("_") or "value" for _, item in chosen]
    counts, numbers = Counter(slugs), Counter[str]()
    named = {}
    for slug, (call_id, item) in zip(slugs, chosen, strict=True):
        numbers[slug] += 1
        named[f"{slug}_{numbers[slug]}" if counts[slug] > 1 else slug] = (call_id, item)
    return named


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


def names_of(tools: Mapping[ToolKey, Tool]) -> ExposedNames:
    """How replay of the whole recording exposes its tools."""
    return ExposedNames(tools, single=len({key.server for key in tools}) == 1)
