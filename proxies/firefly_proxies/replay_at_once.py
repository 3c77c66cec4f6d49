"""Replayed tool calls that can be answered at once: recorded results as bytes, without being decoded and encoded again.

Only what needs nothing else is answered here: a hit whose result is a plain one, said without a word before it. Everything else
(a miss, an error, notifications, another method) is left to :mod:`firefly_proxies.replay_conversation`, which gives the same
answer to the byte for what is answered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import dumps, loads
from firefly_mcp.replay import Hit, ReplaySession
from firefly_mcp.replay.ladder import Asked
from firefly_mcp.store.blobs import MARK
from firefly_mcp.types import MatchKind, ToolKey
from firefly_proxies.messages import META_SESSION, META_VERSION, is_request_id

if TYPE_CHECKING:
    from firefly_proxies.replay import ReplayFactory
    from firefly_proxies.replay_log import ReplaySessionLog

_KEPT = 2048
_LONGEST_KEPT = 8192

Kept = tuple[int, MatchKind, bool, int, float]


class RecordedResults:
    """The results of recorded calls as they go to the client, with how they were found."""

    def __init__(self, factory: ReplayFactory) -> None:
        """Of the factory's recording."""
        self._reader = factory.recording.reader
        self._provenance = factory.policy.provenance
        self._kept: dict[Kept, bytes] = {}
        self._said = factory.events.any
        self._sql = "SELECT data FROM blob WHERE hash = ?1"
        if self._said:
            self._sql += " AND NOT EXISTS (SELECT 1 FROM call_event WHERE call_id = ?2)"

    def of(self, hit: Hit) -> bytes | None:
        """The result as JSON; None if more is to be done than to send it."""
        candidate = hit.candidate
        kept = (candidate.call, hit.kind, hit.same_state, hit.variants, hit.distance)
        known = self._kept.get(kept)
        if known is not None:
            return known
        rows = self._reader.rows(self._sql, (candidate.outcome, candidate.call) if self._said else (candidate.outcome,))
        if not rows or not _plain(rows[0][0]):
            return None
        data: str = rows[0][0]
        result = data.encode()
        if self._provenance:
            separator = b"" if data == "{}" else b","
            result = b'%s%s"_meta":%s}' % (result[:-1], separator, dumps(hit.provenance()))
        if len(result) <= _LONGEST_KEPT:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[kept] = result
        return result


def _plain(data: str) -> bool:
    """Whether a stored result is to be sent as it is. Quotes inside its strings are escaped, so that none looks like a key."""
    return data.endswith("}") and not (
        f'"{MARK}"' in data
        or '"_meta"' in data
        or '"resultType"' in data
        or '"ttlMs"' in data
        or '"cacheScope"' in data
        or '"isError":true' in data
    )


class AtOnce:
    """Answers the plain tool calls of one session."""

    def __init__(
        self, factory: ReplayFactory, session: ReplaySession, log: ReplaySessionLog | None, served: dict[str, int]
    ) -> None:
        """Answer from ``factory``'s recording in the state of ``session``; ``served`` keeps the last call served, by server."""
        self._results = factory.results
        self._names = factory.names
        self._servers = factory.servers.names
        self._forms = factory.forms
        self._session = session
        self._log = log
        self._served = served

    def __call__(self, body: bytes) -> bytes | None:
        """The response to a request, both as JSON; None, and nothing has changed, if it is not for here."""
        try:
            message = loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict) or message.get("method") != "tools/call" or not is_request_id(message.get("id")):
            return None
        params = message.get("params")
        if not isinstance(params, dict):
            return None
        meta = params.get("_meta")
        if meta is not None and (not isinstance(meta, dict) or META_SESSION in meta or META_VERSION in meta):
            return None
        exposed = str(params.get("name", ""))
        key = self._names.key(exposed) or ToolKey(self._servers[0], exposed)
        params["name"] = key.tool
        asked, forms = (params, (params,)) if self._forms.untouched(body) else self._forms.of(params, key.server, key.tool)
        args_hash = call_hash("tools/call", asked)
        hit = self._session.hit(Asked(key, "tools/call", forms, args_hash))
        result = None if hit is None else self._results.of(hit)
        if hit is None or result is None:
            return None
        self._session.take(hit, refused=False)
        self._served[key.server] = hit.candidate.call
        if self._log is not None:
            self._log.hit(hit, asked, args_hash)
        return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (dumps(message["id"]), result)
