"""What replay could not answer, read back from the log of replays, and what that asks of those who record.

The same miss is told once, with how often it came. The log says what was nearest when the miss came; which writes stand between
the state that was asked in and the one that was recorded is found here, from the two sessions' calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, CallStatus, ToolKey

ASKS_FOR_MORE = ("never_recorded", "state")
"""Causes that one more recorded call would mend. Arguments that break the schema and unknown tools are the asker's own."""
_SHOWN_WRITES = 5
_MISSES = (
    "SELECT max(c.id), count(*), count(DISTINCT c.session_id), coalesce(c.detail ->> 'cause', 'unknown')"
    " FROM call c JOIN server v ON v.id = c.server_id JOIN session s ON s.id = c.session_id"
    " WHERE s.kind = 'replay' AND c.match = 'miss' AND c.id > ?3 AND (?1 IS NULL OR v.name = ?1)"
    " AND (?2 IS NULL OR c.tool = ?2)"
    " GROUP BY c.server_id, c.args_hash, 4 ORDER BY 2 DESC, 1 DESC"
)


@dataclass(frozen=True)
class Missed:
    """One request that was not answered, however often it came.

    Attributes:
        call: the last logged call of it.
        cause: see :class:`~firefly_mcp.replay.misses.Miss`.
        count: how often it came.
        sessions: in how many sessions.
        why: the explanation that was logged.
        nearest: recorded calls: ``{call, arguments, differs}``, and where the state was another ``here_only`` and
            ``there_only``: the calls that may have made the difference, which only one of the two sessions made before.
        recorded_since: whether a call with these arguments has been recorded by now.
    """

    call: Call
    cause: str
    count: int
    sessions: int
    why: str
    nearest: list[JsonObject] = field(default_factory=list)
    recorded_since: bool = False

    @property
    def asks_for_more(self) -> bool:
        """Whether recording would help, and has not yet."""
        return self.cause in ASKS_FOR_MORE and not (self.recorded_since and self.cause == "never_recorded")

    def to_json(self) -> JsonObject:
        """An item of ``firefly misses --json``."""
        return {
            "call": self.call.id,
            "server": self.call.server,
            "tool": self.call.tool,
            "method": self.call.method,
            "arguments": self.call.arguments if self.call.tool is not None else self.call.params,
            "cause": self.cause,
            "count": self.count,
            "sessions": self.sessions,
            "why": self.why,
            "nearest": self.nearest,
            "recorded_since": self.recorded_since,
        }


def missed(
    recording: Recording, *, server: str | None = None, tool: str | None = None, cause: str | None = None, after: int = 0
) -> Iterator[Missed]:
    """The misses of all replays, or of those logged after the call of this id, the most frequent first."""
    explain = _Explainer(recording)
    for last, count, sessions, why in recording.db.execute(_MISSES, (server, tool, after)).fetchall():
        call = queries.call(recording, int(str(last)))
        if call is not None and cause in (None, why):
            yield explain.told(call, str(why), int(str(count)), int(str(sessions)))


def debts(recording: Recording) -> tuple[Counter[ToolKey], Counter[tuple[ToolKey, str]]]:
    """What misses ask the sampler for: distinct misses by tool, and by the argument in which the nearest recorded call differs.

    A miss that has been recorded since asks for nothing any more.
    """
    tools: Counter[ToolKey] = Counter()
    arguments: Counter[tuple[ToolKey, str]] = Counter()
    cause = "coalesce(c.detail ->> 'cause', 'unknown')"
    rows = recording.db.execute(
        f"SELECT v.name, c.tool, {cause}, max(c.detail ->> '$.nearest[0].differs')"
        " FROM call c JOIN server v ON v.id = c.server_id JOIN session s ON s.id = c.session_id"
        " WHERE s.kind = 'replay' AND c.match = 'miss' AND c.tool IS NOT NULL"
        f" AND {cause} IN ({', '.join(map(repr, ASKS_FOR_MORE))})"
        f" AND ({cause} <> 'never_recorded' OR (c.server_id, c.args_hash) NOT IN ("
        "   SELECT e.server_id, e.args_hash FROM call e JOIN session t ON t.id = e.session_id"
        "   WHERE t.kind <> 'replay' AND e.status = 'done'))"
        " GROUP BY c.server_id, c.args_hash, 3"
    )
    for server, tool, cause, differs in rows:
        key = ToolKey(str(server), str(tool))
        tools[key] += 1
        if cause == "never_recorded" and differs:
            arguments.update((key, str(name)) for name in loads(str(differs)))
    return tools, arguments


def totals(misses: Iterable[Missed]) -> JsonObject:
    """Counts by tool and by cause: ``{by_tool: [{server, tool, misses, distinct, causes}], by_cause}``."""
    by_cause: Counter[str] = Counter()
    tools: dict[tuple[str, str], JsonObject] = {}
    for one in misses:
        by_cause[one.cause] += one.count
        place = (one.call.server, one.call.tool or one.call.method)
        row = tools.setdefault(place, {"server": place[0], "tool": place[1], "misses": 0, "distinct": 0, "causes": Counter()})
        row["misses"] += one.count
        row["distinct"] += 1
        row["causes"][one.cause] += one.count
    ordered = sorted(tools.values(), key=lambda row: (-row["misses"], row["server"], row["tool"]))
    return {"by_tool": ordered, "by_cause": dict(by_cause.most_common())}


class _Explainer:
    """Adds to a logged miss what can be known of it now."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._learned: EffectRelation | None = None

    @property
    def _relation(self) -> EffectRelation:
        if self._learned is None:
            self._learned = learn_effects(self._recording)
        return self._learned

    def told(self, call: Call, cause: str, count: int, sessions: int) -> Missed:
        nearest = [self._near(call, cause, dict(one)) for one in call.detail.get("nearest") or [] if isinstance(one, dict)]
        since = self._recording.db.execute(
            "SELECT 1 FROM call c JOIN session s ON s.id = c.session_id JOIN server v ON v.id = c.server_id"
            " WHERE c.args_hash = ? AND v.name = ? AND s.kind <> 'replay' AND c.status = 'done' LIMIT 1",
            (call.args_hash, call.server),
        ).fetchall()
        return Missed(call, cause, count, sessions, str(call.detail.get("why") or ""), nearest, bool(since))

    def _near(self, call: Call, cause: str, near: JsonObject) -> JsonObject:
        other = queries.call(self._recording, int(near.get("call") or 0))
        if other is None:  # its session was forgotten
            return near
        near.setdefault("arguments", other.arguments if other.tool is not None else other.params)
        if cause in ("state", "origin"):
            here, there = self._writes(call), self._writes(other)
            near["here_only"] = _only(here, there)
            near["there_only"] = _only(there, here)
        return near

    def _writes(self, before: Call) -> list[Call]:
        """The earlier calls of a call's session that may affect it."""
        found = []
        for one in queries.calls(self._recording, session=before.session, server=before.server, results=False):
            if one.id >= before.id:
                break
            if one.status != CallStatus.CANCELLED and self._relation.may_affect(one.key, before.key):
                found.append(one)
        return found


def _only(here: Sequence[Call], there: Sequence[Call]) -> list[JsonObject]:
    """The calls made here and not there, with the same answers; the last few of them."""
    left = Counter((call.key, call.args_hash, call.result_hash) for call in there)
    found = []
    for call in here:
        place = (call.key, call.args_hash, call.result_hash)
        if left[place]:
            left[place] -= 1
        else:
            found.append({"call": call.id, "tool": call.tool or call.method, "arguments": call.arguments or call.params})
    return found[-_SHOWN_WRITES:]
