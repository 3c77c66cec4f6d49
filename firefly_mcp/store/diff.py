"""Compare two recordings: which servers, tools and calls they have, and whether the same call got the same answer.

A call is the same when server, tool (or method) and canonical hash are. Replayed calls are left out, and so are calls without
an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from firefly_mcp.canonical import hash_json
from firefly_mcp.differences import differences
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, CallStatus, ToolKey

CUT = 400
"""Characters of an answer that a report shows."""


@dataclass(frozen=True, slots=True)
class ToolChange:
    """One tool whose latest definition is not the same in both; ``parts`` are JSON pointers into the definition."""

    key: ToolKey
    parts: list[str]


@dataclass(frozen=True, slots=True)
class CallGroup:
    """All calls of one recording that are the same, with their distinct answers in order."""

    key: ToolKey
    arguments: JsonObject
    answers: dict[str, int]
    """An example call's id by the hash of its answer."""


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """The same call, answered otherwise; or answered in several ways within one recording."""

    key: ToolKey
    arguments: JsonObject
    a: list[str]
    b: list[str]
    """The distinct answers of each recording, cut."""
    differs: list[str]
    """JSON pointers to where the first answers differ."""
    equal: bool
    """Whether both recordings have the same set of answers."""


@dataclass
class Diff:
    """What is different between recordings A and B."""

    servers_only_a: list[str] = field(default_factory=list)
    servers_only_b: list[str] = field(default_factory=list)
    tools_only_a: list[ToolKey] = field(default_factory=list)
    tools_only_b: list[ToolKey] = field(default_factory=list)
    tools_changed: list[ToolChange] = field(default_factory=list)
    same: int = 0
    only_a: list[CallGroup] = field(default_factory=list)
    only_b: list[CallGroup] = field(default_factory=list)
    other: list[OtherAnswer] = field(default_factory=list)
    conflicting: list[OtherAnswer] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the recordings have the same tools, calls and answers."""
        sides = (self.servers_only_a, self.servers_only_b, self.tools_only_a, self.tools_only_b, self.tools_changed)
        return not any((*sides, self.only_a, self.only_b, self.other)) and all(one.equal for one in self.conflicting)

    def to_json(self) -> JsonObject:
        """The shape of ``firefly diff --json``."""
        return {
            "equal": self.equal,
            "servers": {"only_a": self.servers_only_a, "only_b": self.servers_only_b},
            "tools": {
                "only_a": [key._asdict() for key in self.tools_only_a],
                "only_b": [key._asdict() for key in self.tools_only_b],
                "changed": [{**change.key._asdict(), "parts": change.parts} for change in self.tools_changed],
            },
            "calls": {
                "same": self.same,
                "only_a": [_group_json(group) for group in self.only_a],
                "only_b": [_group_json(group) for group in self.only_b],
                "other": [_other_json(one) for one in self.other],
                "conflicting": [{**_other_json(one), "equal": one.equal} for one in self.conflicting],
            },
        }


def diff(a: Recording, b: Recording) -> Diff:
    """Compare two open recordings. Where one of them holds several answers to a call, that is told apart as ``conflicting``."""
    servers_a, servers_b = queries.servers(a), queries.servers(b)
    tools_a, tools_b = queries.tool_map(a), queries.tool_map(b)
    out = Diff(
        servers_only_a=[name for name in servers_a if name not in servers_b],
        servers_only_b=[name for name in servers_b if name not in servers_a],
        tools_only_a=[key for key in tools_a if key not in tools_b],
        tools_only_b=[key for key in tools_b if key not in tools_a],
        tools_changed=[
            ToolChange(key, differences(tool.definition, tools_b[key].definition))
            for key, tool in tools_a.items()
            if key in tools_b and tool.hash != tools_b[key].hash
        ],
    )
    groups_a, groups_b = _groups(a), _groups(b)
    out.only_a = [group for place, group in groups_a.items() if place not in groups_b]
    out.only_b = [group for place, group in groups_b.items() if place not in groups_a]
    for place, left in groups_a.items():
        right = groups_b.get(place)
        if right is None:
            continue
        if len(left.answers) > 1 or len(right.answers) > 1:
            out.conflicting.append(_compared(a, b, left, right))
        elif left.answers.keys() == right.answers.keys():
            out.same += 1
        else:
            out.other.append(_compared(a, b, left, right))
    return out


def _groups(recording: Recording) -> dict[tuple[ToolKey, str], CallGroup]:
    groups: dict[tuple[ToolKey, str], CallGroup] = {}
    for call in queries.calls(recording, evidence_only=True, results=False):
        if call.status != CallStatus.DONE:
            continue
        arguments = call.arguments if call.tool is not None else call.params
        group = groups.setdefault((call.key, call.args_hash), CallGroup(call.key, arguments, {}))
        group.answers.setdefault(call.result_hash or hash_json(call.error), call.id)
    return groups


def _compared(a: Recording, b: Recording, left: CallGroup, right: CallGroup) -> OtherAnswer:
    (first_a, *_), (first_b, *_) = left.answers.values(), right.answers.values()
    return OtherAnswer(
        left.key,
        left.arguments,
        [_cut(_answer(a, number)) for number in left.answers.values()],
        [_cut(_answer(b, number)) for number in right.answers.values()],
        differences(_answer(a, first_a), _answer(b, first_b)),
        left.answers.keys() == right.answers.keys(),
    )


def _answer(recording: Recording, number: int) -> JSON:
    call: Call | None = queries.call(recording, number)
    assert call is not None
    return call.result if call.error is None else {"error": call.error}


def _cut(value: JSON) -> str:
    written = text(value)
    return written if len(written) <= CUT else written[: CUT - 1] + "…"


def _group_json(group: CallGroup) -> JsonObject:
    return {**group.key._asdict(), "arguments": group.arguments, "answers": len(group.answers)}


def _other_json(one: OtherAnswer) -> JsonObject:
    return {**one.key._asdict(), "arguments": one.arguments, "a": one.a, "b": one.b, "differs": one.differs}


def rows(found: Diff, show: Callable[[JSON], str]) -> Iterator[tuple[str, str, str, str]]:
    """The differences as lines for a person: ``(what, server/tool, arguments, how)``; ``show`` shortens a value."""
    for side, servers in (("A", found.servers_only_a), ("B", found.servers_only_b)):
        yield from ((f"server only in {side}", name, "", "") for name in servers)
    for side, keys in (("A", found.tools_only_a), ("B", found.tools_only_b)):
        yield from ((f"tool only in {side}", str(key), "", "") for key in keys)
    for change in found.tools_changed:
        yield "tool changed", str(change.key), "", ", ".join(part or "(all of it)" for part in change.parts)
    for side, groups in (("A", found.only_a), ("B", found.only_b)):
        yield from ((f"call only in {side}", str(group.key), show(group.arguments), "") for group in groups)
    for one in found.other:
        where = ", ".join(part or "(all of it)" for part in one.differs[:3])
        yield "other answer", str(one.key), show(one.arguments), f"{where}: {show(one.a[0])} / {show(one.b[0])}"
    for one in found.conflicting:
        how = f"{len(one.a)} answers in A, {len(one.b)} in B{', the same ones' if one.equal else ''}"
        yield "several answers", str(one.key), show(one.arguments), how
