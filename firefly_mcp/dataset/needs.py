"""Which recorded calls a task rests on: those of its plan, and those that prove it.

What proves it is a second observation of each call, an answer of the same call in another state (it shows that a write
matters), and what shows that one tool affects another. Beside them, neighbours: other calls of the plan's tools in the same
state, which answer a policy that tries something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from firefly_mcp.canonical import canonical_json
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.replay import Replay
from firefly_mcp.replay.index import Candidate
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Observed
from firefly_mcp.tasks.gates.observed import Step
from firefly_mcp.types import SessionKind

OBSERVATIONS = 3
_OTHERS = 2
_LOOKED_AT = 300
"""Calls of one tool among which neighbours are looked for."""


def calls_of(seen: Observed) -> set[int]:
    """The ids of the calls of a plan, of their other observations, and of other answers in other states."""
    found: set[int] = set()
    for step in seen.steps.values():
        found.add(step.call.id)
        found.update(_observations(seen, step))
        found.update(_other_answers(seen, step))
    return found


def neighbours_of(seen: Observed, count: int) -> set[int]:
    """For each call of a plan up to ``count`` others of its tool in the same state, those with the nearest arguments first.

    One that the server refused is taken if there is one: it shows what a mistake looks like.
    """
    found: set[int] = set()
    for step in seen.steps.values():
        near: dict[bytes, tuple[int, int]] = {}
        refused: list[int] = []
        for number, arguments, is_error in _of_tool(seen.replay, step):
            spelled = canonical_json(arguments)
            if is_error:
                refused.append(number)
            elif spelled not in near:
                near[spelled] = (_distance(arguments, step.arguments), number)
        found.update(number for _, number in sorted(near.values())[: count + 1])
        found.update(refused[:1])
    return found


def effect_calls(relation: EffectRelation, servers: Iterable[str]) -> set[int]:
    """The calls that are kept as evidence of what the tools of these servers affect."""
    wanted = set(servers)
    found: set[int] = set()
    for (writer, _), effect in relation.observed.items():
        if writer.server in wanted:
            found.update(int(call) for call in effect.evidence.get("calls") or ())
    return found


def with_sessions(recording: Recording, calls: Iterable[int]) -> set[int]:
    """The calls, and all others of their sessions with the same servers; probing sessions bring along what they repeat."""
    rows = recording.db.execute(
        "WITH place AS (SELECT DISTINCT session_id, server_id FROM call WHERE id IN (SELECT value FROM json_each(?1))),"
        " twin AS (SELECT o.id AS session_id, p.server_id FROM place p JOIN session s ON s.id = p.session_id"
        "  JOIN session o ON o.key = s.labels ->> 'of'"
        "  UNION SELECT o.id, p.server_id FROM place p JOIN session s ON s.id = p.session_id"
        "  JOIN session o ON o.kind = ?2 AND o.labels ->> 'of' = s.key)"
        " SELECT c.id FROM call c WHERE (c.session_id, c.server_id) IN (SELECT * FROM place UNION SELECT * FROM twin)",
        (text(sorted(calls)), SessionKind.PROBE),
    )
    return {int(str(number)) for (number,) in rows}


def all_calls(recording: Recording, servers: Iterable[str]) -> set[int]:
    """Every call of these servers that is no replay."""
    rows = recording.db.execute(
        "SELECT c.id FROM call c JOIN server v ON v.id = c.server_id JOIN session s ON s.id = c.session_id"
        " WHERE v.name IN (SELECT value FROM json_each(?)) AND s.kind <> ?",
        (text(sorted(servers)), SessionKind.REPLAY),
    )
    return {int(str(number)) for (number,) in rows}


def _observations(seen: Observed, step: Step) -> set[int]:
    """One answer of each of a few sessions of proven origin, a confirming one always among them."""
    index = seen.replay.index
    by_session: dict[int, Candidate] = {}
    for candidate in index.exact(step.call.key, step.call.args_hash):
        link = index.connections.get((candidate.session, step.call.server))
        if link is not None and link.origin.startswith("proven(") and candidate.state_key == step.state_key:
            by_session.setdefault(candidate.session, candidate)
    # Confirming sessions first: without one of them nothing is proven.
    kinds = {session: index.sessions[session].kind != SessionKind.CONFIRM for session in by_session}
    order = sorted(by_session, key=lambda session: (kinds[session], session))
    confirming = [session for session in order if not kinds[session]]
    exploring = [session for session in order if kinds[session]]
    chosen = [*confirming[:_OTHERS], *exploring[:_OTHERS]][:OBSERVATIONS]
    return {by_session[session].call for session in chosen}


def _other_answers(seen: Observed, step: Step) -> set[int]:
    found: dict[str, int] = {}
    if seen.replay.index.relation.reads_state(step.call.key):
        for candidate in seen.replay.index.exact(step.call.key, step.call.args_hash):
            if candidate.state_key != step.state_key and candidate.outcome != step.call.result_hash:
                found.setdefault(candidate.outcome, candidate.call)
    return set(list(found.values())[:_OTHERS])


def _of_tool(replay: Replay, step: Step) -> Iterator[tuple[int, JsonObject, bool]]:
    """Recorded calls of the step's tool in the step's state: id, arguments, whether it is an error."""
    rows = replay.recording.db.execute(
        "SELECT c.id, c.params, c.is_error OR c.error IS NOT NULL FROM candidate k JOIN candidate_tool t ON t.id = k.tool_id"
        " JOIN server v ON v.id = t.server_id JOIN call c ON c.id = k.call_id"
        " WHERE v.name = ? AND t.name = ? AND k.state = ? ORDER BY c.id LIMIT ?",
        (step.call.server, step.call.tool, bytes.fromhex(step.state_key.partition(":")[2]), _LOOKED_AT),
    ).fetchall()
    for number, params, is_error in rows:
        arguments = loads(str(params)).get("arguments")
        yield int(str(number)), arguments if isinstance(arguments, dict) else {}, bool(is_error)


def _distance(one: JsonObject, other: JsonObject) -> int:
    """How many top-level arguments differ."""
    absent = object()
    return sum(one.get(name, absent) != other.get(name, absent) for name in one.keys() | other.keys())
