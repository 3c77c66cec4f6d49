"""Whether each call of a candidate is needed, and whether it reads back a state that the candidate itself made."""

from __future__ import annotations

from firefly_mcp.canonical import hash_json
from firefly_mcp.observe import informative, json_pointer, walk
from firefly_mcp.tasks.compose import Candidate, argument_at
from firefly_mcp.tasks.fields import of_the_day, text_of
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.literals import predicates
from firefly_mcp.tasks.setting import Setting

READ_BACK = 0.5
"""A value of this weight that a change was given and a later read shows was hardly there by chance."""


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
    return bool(read_back(candidate, setting)) or any(effect.affects and effect.evident for effect in effects)


def read_back(candidate: Candidate, setting: Setting) -> set[int]:
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


def needed(candidate: Candidate, setting: Setting, request: str = "") -> bool:
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
