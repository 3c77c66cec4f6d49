"""The history of recorded sessions: where their state began, and what had been called when they ended."""

from __future__ import annotations

from firefly_mcp.jsonio import loads, text
from firefly_mcp.replay.evidence import Evidence, Place
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, outcome_of
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey


def realm_origin(evidence: Evidence, relation: EffectRelation, place: Place) -> str:
    """Where a session's state began on a server, and on those that declared effects join to it."""
    return " ".join(evidence.origin((place[0], server)) for server in relation.realm(place[1]))


def earlier_place(evidence: Evidence, relation: EffectRelation, place: Place) -> Place | None:
    """The session that this one continues on the server; on joined servers none is known to have continued together."""
    return evidence.continued(place) if len(relation.realm(place[1])) == 1 else None


def history_of(
    evidence: Evidence, relation: EffectRelation, place: Place, *, remember: bool = True, seen: frozenset[Place] = frozenset()
) -> History | None:
    """The history of a recorded session on a server at its end, with those that it continues; None if it made no call there."""
    rows = evidence.recording.db.execute(
        "SELECT c.id, v.name, c.method, c.tool, c.args_hash, c.result_hash, c.error, c.is_error FROM call c"
        " JOIN server v ON v.id = c.server_id WHERE c.session_id = ? AND v.name IN (SELECT value FROM json_each(?))"
        " ORDER BY c.id",
        (place[0], text(list(relation.realm(place[1])))),
    ).fetchall()
    if not rows:
        return None
    before = earlier_place(evidence, relation, place)
    earlier = None
    if before is not None and before not in seen:
        earlier = history_of(evidence, relation, before, remember=remember, seen=seen | {place})
    if earlier is None:
        history = History(relation, realm_origin(evidence, relation, place), remember=remember)
    else:
        history = History(relation, earlier.origin, earlier.writers, earlier.totals, remember=remember)
    for number, server, method, tool, args_hash, result_hash, error, is_error in rows:
        key = ToolKey(str(server), str(tool if tool is not None else method))
        refused = bool(is_error) and relation.writes(key) and refused_call(evidence.recording, result_hash, error)
        given = outcome_of(None if result_hash is None else str(result_hash), loads(str(error)) if error else None)
        history.append(key, str(args_hash), given, rejected=refused, label=f"{key} (call {number})")
    return history


def refused_call(recording: Recording, result_hash: object, error: object) -> bool:
    """Whether the server rejected the arguments of a call, which then changed nothing."""
    result = recording.load_result(str(result_hash)) if result_hash is not None else None
    return rejected(result, loads(str(error)) if error is not None else None)
