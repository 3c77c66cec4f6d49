"""What the explorations in a recording showed to work: calls that succeeded, and what each needed before it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from firefly_agents.composing.scenario import scalars_at
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.observe import Flow, flows, informative, is_success
from firefly_mcp.observe.values import Key, value_key
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.rejection import rejected
from firefly_mcp.state.verbs import VerbClass, verb_class
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, SessionKind, Tool, ToolKey

LONGEST = 10
"""Calls that one call may need before it, itself counted."""
SLOW_MS = 10_000
"""A call that took longer waits for something: a person's answer, or the network. Short sessions are not held up by it."""
_TELLING = 0.3
_OPENING = re.compile(
    r"(?i)(?:\w+__)?(?:open|load|connect|attach|mount|log_?in|activate|select|use|start|init(?:ialize)?)(?:_|\Z)"
)
_PER_TOOL = 40


class Known:
    """The good calls of all explorations, composed sessions left out, so that planning anew plans the same."""

    def __init__(self, recording: Recording, relation: EffectRelation, servers: Iterable[str]) -> None:
        """Read the exploring sessions.

        Args:
            recording: holds them.
            relation: what may affect what.
            servers: those that may take part.
        """
        self.relation = relation
        self._changers = {writer for (writer, _), effect in relation.observed.items() if effect.affects}
        wanted = set(servers)
        tools = queries.tool_map(recording)
        self.tools: dict[ToolKey, Tool] = {key: tool for key, tool in tools.items() if key.server in wanted}
        self.infos = {
            key: ToolInfo(key, key.tool, tool.description, tool.input_schema, tool.annotations)
            for key, tool in self.tools.items()
        }
        self.good: dict[ToolKey, list[Call]] = defaultdict(list)
        self.worked: dict[tuple[ToolKey, str], list[object]] = defaultdict(list)
        self.free: set[int] = set()
        """Calls before which nothing happened that may affect their answer."""
        self._context: dict[int, int] = {}
        self._feeds: dict[int, dict[str, Flow]] = {}
        self._sessions: dict[int, list[Call]] = {}
        self._places: dict[int, tuple[int, int]] = {}
        said: set[tuple[ToolKey, str]] = set()
        for session in queries.sessions(recording, kind=SessionKind.EXPLORE):
            if "composed" in session.labels:
                continue
            calls = [
                call for call in queries.calls(recording, session=session.id, method="tools/call") if call.key in self.tools
            ]
            self._read(session.id, calls, said)

    def _read(self, session: int, calls: list[Call], said: set[tuple[ToolKey, str]]) -> None:
        self._sessions[session] = calls
        feeds: dict[int, dict[str, Flow]] = defaultdict(dict)
        for flow in flows(calls):
            if flow.whole:
                known = feeds[flow.target].get(flow.argument)
                if known is None or flow.weight > known.weight:
                    feeds[flow.target][flow.argument] = flow
        self._feeds.update(feeds)
        writers: Counter[ToolKey] = Counter()
        for place, call in enumerate(calls):
            self._places[call.id] = (session, place)
            touched = sum(count for key, count in writers.items() if self.relation.may_affect(key, call.key))
            self._context[call.id] = touched
            if not touched:
                self.free.add(call.id)
            if self.relation.writes(call.key) and not (call.is_error and rejected(call.result, call.error)):
                writers[call.key] += 1
            if not is_success(call) or call.result is None or (call.duration_ms or 0) > SLOW_MS:
                continue
            for pointer, value in scalars_at(call.arguments):
                values = self.worked[call.key, pointer]
                if len(values) < _PER_TOOL and value not in values:
                    values.append(value)
            if (call.key, call.args_hash) not in said and len(self.good[call.key]) < _PER_TOOL:
                said.add((call.key, call.args_hash))
                self.good[call.key].append(call)

    def feeds(self, call: Call) -> dict[str, Flow]:
        """For each argument that an earlier result of its session showed first: that flow, by pointer."""
        return self._feeds.get(call.id, {})

    def key_of(self, call_id: int) -> ToolKey | None:
        """The tool of a call of an exploration."""
        found = self._places.get(call_id)
        return None if found is None else self._sessions[found[0]][found[1]].key

    def context(self, call: Call) -> int:
        """How many calls before it may affect its answer."""
        return self._context.get(call.id, 0)

    def after(self, call: Call) -> Iterator[Call]:
        """The good calls of its server later in its session."""
        session, place = self._places[call.id]
        return (other for other in self._sessions[session][place + 1 :] if other.server == call.server and is_success(other))

    def alone(self, call: Call) -> bool:
        """Whether a call needs none before it, as far as its values tell; a number may be anyone's."""
        fed = any(
            not isinstance(flow.value, int | float) and self._of_server(flow.source, call.server)
            for flow in self.feeds(call).values()
        )
        session, place = self._places[call.id]
        return not fed and not any(True for _ in self._makers(call, self._sessions[session][:place]))

    def _of_server(self, call_id: int, server: str) -> bool:
        key = self.key_of(call_id)
        return key is not None and key.server == server

    def writes(self, key: ToolKey) -> bool:
        """Whether the tool may change what others answer, by what it was seen to do or by its words.

        One that looks at things is no writer here only because another keeps account of calls.
        """
        return self.relation.writes(key) and (key in self._changers or not looks(self.relation, key))

    def chain(self, call: Call) -> list[Call] | None:
        """What it took to make a call, in order, itself last: what was opened before it on a server with state, calls that fed
        it, and writes that first spoke of its values.

        None where that is more than :data:`LONGEST` calls, or one of them did not succeed.
        """
        chosen: dict[int, Call] = {}
        if not self._gather(call, chosen):
            return None
        opener = None if self.relation.stateless(call.server) else self.opener(chosen[min(chosen)])
        if opener is not None and not self._gather(opener, chosen):
            return None
        return [chosen[number] for number in sorted(chosen)]

    def _gather(self, call: Call, chosen: dict[int, Call]) -> bool:
        """Take in a call with what it needs; False where that is too much, or did not succeed."""
        session, _ = self._places[call.id]
        calls = self._sessions[session]
        waiting = [call]
        while waiting:
            one = waiting.pop()
            if one.id in chosen:
                continue
            if not is_success(one) or len(chosen) >= LONGEST:
                return False
            chosen[one.id] = one
            waiting += self._before(one, calls)
        return True

    def opener(self, call: Call) -> Call | None:
        """The last good call before it that opened something on its server, which later calls work on without naming it."""
        session, place = self._places[call.id]
        before = (other for other in reversed(self._sessions[session][:place]) if other.server == call.server)
        return next((other for other in before if opens(other.key) and is_success(other)), None)

    def _before(self, call: Call, calls: Sequence[Call]) -> Iterator[Call]:
        _, place = self._places[call.id]
        by_id = {other.id: other for other in calls[:place]}
        for flow in self.feeds(call).values():
            source = by_id.get(flow.source)
            if source is not None and source.server == call.server:
                yield source
        yield from self._makers(call, calls[:place])

    def _makers(self, call: Call, before: Sequence[Call]) -> Iterator[Call]:
        """For each value that a call names, the first write that named it."""
        for key in telling(call):
            maker = next(
                (
                    other
                    for other in before
                    if other.server == call.server and self.writes(other.key) and key in telling(other) and is_success(other)
                ),
                None,
            )
            if maker is None or not self.relation.may_affect(maker.key, call.key):
                continue
            if not (isinstance(key, int | float) and looks(self.relation, maker.key)):
                yield maker


def opens(key: ToolKey) -> bool:
    """Whether a tool's name says that it opens something which later calls work on without naming it."""
    return _OPENING.match(key.tool) is not None


def telling(call: Call) -> dict[Key, object]:
    """The values in a call's arguments by which it may be about the same thing as another, by the key they are compared by."""
    found: dict[Key, object] = {}
    for _, value in scalars_at(call.arguments):
        key = value_key(value)
        if key is not None and informative(value) >= _TELLING:
            found[key] = value
    return found


def looks(relation: EffectRelation, key: ToolKey) -> bool:
    """Whether a tool that may write is only suspected of it: its verb is one of looking, or none that is known."""
    tool = relation.tools.get(key)
    if tool is None or relation.presumed(key).source == "annotation":
        return False
    found, told = verb_class(tool)
    return found is VerbClass.READ or (found is VerbClass.UNKNOWN and ", but " in told)
