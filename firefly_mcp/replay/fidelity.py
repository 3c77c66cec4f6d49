"""Fidelity: hold recorded calls out, replay them from what is left, and compare with what was really answered.

Each answered call is asked again in the state in which it was made: the calls before it in its session are taken as they were.
Once with all other recorded calls to answer from, once with those of other sessions alone. The real engine decides; what it may
answer from is all that is narrowed. What is learned from all calls together (effects, kinds of arguments) is learned with the
held-out call among them.

A call is *conflicting* where the same call in the same state was recorded with several answers: no replay can know which is
right, so that such calls are told apart and count as neither right nor wrong.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from firefly_mcp.differences import differences
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.replay.engine import Answer, Replay, ReplaySession
from firefly_mcp.store import queries
from firefly_mcp.types import Call, CallStatus, MatchKind, ToolKey

LISTED = 200
"""Wrong answers and conflicts that are listed one by one."""
TELL = 1000
"""After how many held-out calls the progress is told."""


@dataclass
class Score:
    """Counts of one variant, of all calls or of one tool."""

    held_out: int = 0
    correct: int = 0
    wrong: int = 0
    missed: int = 0
    conflicting: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    by_match: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, verdict: str, answer: Answer) -> None:
        """Take in one held-out call: ``correct``, ``wrong``, ``missed`` or ``conflicting``."""
        self.held_out += 1
        setattr(self, verdict, getattr(self, verdict) + 1)
        if verdict == "missed" and answer.miss is not None:
            self.causes[answer.miss.cause] += 1
        elif verdict in ("correct", "wrong"):
            self.by_match[str(answer.kind)].update(("answered", verdict))

    def to_json(self) -> JsonObject:
        """The counts, as in ``firefly fidelity --json``."""
        order = [str(kind) for kind in MatchKind]
        return {
            "held_out": self.held_out,
            "correct": self.correct,
            "wrong": self.wrong,
            "missed": self.missed,
            "conflicting": self.conflicting,
            "missed_by_cause": dict(self.causes),
            "by_match": {
                kind: {name: self.by_match[kind][name] for name in ("answered", "correct", "wrong")}
                for kind in sorted(self.by_match, key=order.index)
            },
        }


@dataclass
class Variant:
    """What came of holding calls out in one way.

    Attributes:
        total: over all calls.
        tools: by tool.
        wrong: the first wrong answers, with both results.
    """

    total: Score = field(default_factory=Score)
    tools: dict[ToolKey, Score] = field(default_factory=lambda: defaultdict(Score))
    wrong: list[JsonObject] = field(default_factory=list)

    def count(self, replay: Replay, call: Call, verdict: str, answer: Answer) -> None:
        """Take in one held-out call."""
        self.total.count(verdict, answer)
        self.tools[call.key].count(verdict, answer)
        if verdict == "wrong" and len(self.wrong) < LISTED and answer.call is not None:
            self.wrong.append(_told(replay, call, answer, answer.call))

    def to_json(self) -> JsonObject:
        """The counts, those of each tool, and the wrong answers."""
        rows = [
            {"server": key.server, "tool": key.tool, **score.to_json()}
            for key, score in sorted(self.tools.items(), key=lambda item: (-item[1].wrong, item[0]))
        ]
        return {**self.total.to_json(), "by_tool": rows, "wrong_answers": self.wrong}


@dataclass
class Fidelity:
    """The whole measurement."""

    with_own_session: Variant = field(default_factory=Variant)
    without_own_session: Variant = field(default_factory=Variant)
    conflicts: dict[tuple[ToolKey, str, str], JsonObject] = field(default_factory=dict)
    """Groups of the same call in the same state with several answers."""

    def to_json(self) -> JsonObject:
        """The shape of ``firefly fidelity --json``; its own counts are those with the call's own session."""
        return {
            **self.with_own_session.to_json(),
            "without_own_session": self.without_own_session.to_json(),
            "conflicts": list(self.conflicts.values())[:LISTED],
            "conflicting_groups": len(self.conflicts),
        }


def measure(
    replay: Replay, *, sample: int | None = None, seed: int = 0, tell: Callable[[int], None] = lambda count: None
) -> Fidelity:
    """Hold every answered call of a recording out, or a seeded sample of them.

    Args:
        replay: the recording with its policy, rules and embedder; where sessions start is of no account.
        sample: how many calls to hold out; None for all.
        seed: of the sample.
        tell: called with the number of calls that are done, now and then.
    """
    chosen = None if sample is None else _sample(replay, sample, seed)
    found = Fidelity()
    done = 0
    for session in replay.index.sessions.values():
        asking = Replay(replay.recording, replace(replay.policy, start=session.key), replay.index, replay.neighbours).session()
        own = frozenset(
            number for (number,) in replay.recording.db.execute("SELECT id FROM call WHERE session_id = ?", (session.id,))
        )
        for call in _calls(replay, session.id):
            if call.status == CallStatus.DONE and (chosen is None or call.id in chosen):
                _hold_out(replay, asking, call, own, found)
                done += 1
                if done % TELL == 0:
                    tell(done)
            asking.settle(asking.past(call.server), call, label=f"{call.key} (call {call.id})")
    return found


def _hold_out(replay: Replay, session: ReplaySession, call: Call, own: Collection[object], found: Fidelity) -> None:
    state = session.state_key(call.server, call.key.tool)
    twins = [one for one in replay.index.exact(call.key, call.args_hash) if one.state_key == state]
    answers = {one.outcome for one in twins}
    if len(answers) > 1:
        group: JsonObject = {**call.key._asdict(), "arguments": _arguments(call), "answers": len(answers)}
        found.conflicts.setdefault((call.key, call.args_hash, state), {**group, "calls": [one.call for one in twins]})
    for variant, among in (
        (found.with_own_session, lambda number: number != call.id),
        (found.without_own_session, lambda number: number not in own),
    ):
        answer = session.consider(call.server, call.method, call.params, among=among)
        variant.count(replay, call, "conflicting" if len(answers) > 1 else _verdict(replay, call, answer), answer)


def _calls(replay: Replay, session: int) -> Iterator[Call]:
    """The calls of a session to the servers that are replayed; results are read where they say whether a call was refused."""
    served = _served(replay)
    for call in queries.calls(replay.recording, session=session, results=False):
        if call.server in served:
            loaded = call.is_error and call.result_hash is not None
            yield replace(call, result=replay.recording.load_result(str(call.result_hash))) if loaded else call


def _served(replay: Replay) -> set[str]:
    return {key.server for key in replay.index.tools} | {server for _, server in replay.index.connections}


def _sample(replay: Replay, count: int, seed: int) -> frozenset[int]:
    rows = replay.recording.db.execute(
        "SELECT c.id FROM call c JOIN session s ON s.id = c.session_id JOIN server v ON v.id = c.server_id"
        " WHERE s.kind <> 'replay' AND c.status = 'done' AND v.name IN (SELECT value FROM json_each(?)) ORDER BY c.id",
        (text(sorted(_served(replay))),),
    )
    numbers = [int(str(number)) for (number,) in rows]
    return frozenset(random.Random(seed).sample(numbers, min(count, len(numbers))))


def _verdict(replay: Replay, call: Call, answer: Answer) -> str:
    if answer.call is None:
        return "missed"
    given = answer.call
    if call.error is not None or given.error is not None:
        return "correct" if call.error == given.error else "wrong"
    if call.result_hash == given.result_hash:
        return "correct"
    return "correct" if _bare(_result(replay, call)) == _bare(given.result) else "wrong"


def _result(replay: Replay, call: Call) -> JSON:
    return replay.recording.load_result(call.result_hash) if call.result_hash else None


def _bare(result: JSON) -> JSON:
    """A result without its ``_meta``: what is noted there is about the exchange, not the answer."""
    return {key: value for key, value in result.items() if key != "_meta"} if isinstance(result, dict) else result


def _answered(replay: Replay, call: Call) -> JSON:
    return _result(replay, call) if call.error is None else {"error": call.error}


def _told(replay: Replay, call: Call, answer: Answer, given: Call) -> JsonObject:
    right, wrong = _answered(replay, call), _answered(replay, given)
    return {
        "call": call.id,
        **call.key._asdict(),
        "arguments": _arguments(call),
        "kind": str(answer.kind),
        "distance": answer.distance,
        "source": given.id,
        "source_arguments": _arguments(given),
        "differs": differences(right, wrong),
        "recorded": right,
        "replayed": wrong,
    }


def _arguments(call: Call) -> JsonObject:
    return call.arguments if call.tool is not None else call.params
