"""Rows of one recording as they stand in another: every id and every session key that a row names is translated."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, loads, text

Row = dict[str, Any]
_CALL = re.compile(r"\(call (\d+)\)")
_CONTINUES = re.compile(r"(continues\()(.*)(\))", re.DOTALL)
_LIVE = re.compile(r"(live\(session\()(.*)(\)\))", re.DOTALL)


class Translation:
    """From the ids and keys of a source to those of the recording that it goes into.

    Attributes:
        servers, sessions, calls: ids of the source to ids there.
        keys: session keys of the source to keys there.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.servers: dict[int, int] = {}
        self.sessions: dict[int, int] = {}
        self.calls: dict[int, int] = {}
        self.keys: dict[str, str] = {}
        self._by_id: dict[str, str] = {}

    def know_key(self, number: int, key: str, there: str) -> None:
        """Say what a session of the source is called there; an origin may name it by key or by id."""
        self.keys[key] = there
        self._by_id.setdefault(str(number), key)

    def session(self, row: Row) -> Row:
        """A session under its new key; a label ``of`` follows the session that it names."""
        labels: JsonObject = loads(row["labels"])
        of = self.keys.get(str(labels.get("of")))
        if of is not None and of != labels["of"]:
            row = {**row, "labels": text({**labels, "of": of})}
        return {**row, "key": self.keys[row["key"]]}

    def connection(self, row: Row) -> Row:
        """A connection; an origin that continues a session names it by its key there."""
        return {
            **row,
            "session_id": self.sessions.get(row["session_id"]),
            "server_id": self.servers[row["server_id"]],
            "origin": self.origin(row["origin"]),
        }

    def origin(self, origin: str) -> str:
        """``continues(KEY or ID)`` and ``live(session(KEY))`` with the session's new key; any other origin as it is."""
        found = _CONTINUES.fullmatch(origin) or _LIVE.fullmatch(origin)
        if not found:
            return origin
        key = found[2] if found[2] in self.keys else self._by_id.get(found[2])
        return origin if key is None else f"{found[1]}{self.keys[key]}{found[3]}"

    def call(self, row: Row) -> Row:
        """A call; what answered it, and the calls that its notes name, are those there."""
        detail = row["detail"]
        return {
            **row,
            "id": self.calls.get(row["id"]),
            "session_id": self.sessions.get(row["session_id"]),
            "server_id": self.servers[row["server_id"]],
            "source_call": self.calls.get(row["source_call"]),
            "detail": None if detail is None else self._json(detail, self._detail),
        }

    def event(self, row: Row) -> Row:
        """A notification or server request."""
        return {**row, "call_id": self.calls.get(row["call_id"]), "session_id": self.sessions[row["session_id"]]}

    def trajectory(self, row: Row) -> Row:
        """A trajectory over the calls there."""
        return {
            **row,
            "session_id": self.sessions.get(row["session_id"]),
            "calls": self._json(row["calls"], self._numbers),
            "bindings": self._json(row["bindings"], self._bindings),
        }

    def effect(self, row: Row) -> Row:
        """An effect, its evidence being calls there."""
        return {**row, "server_id": self.servers[row["server_id"]], "evidence": self._json(row["evidence"], self._evidence)}

    def simulated(self, row: Row) -> Row:
        """A simulated answer, with the calls from which the model wrote it."""
        return {
            **row,
            "server_id": self.servers[row["server_id"]],
            "call_id": self.calls.get(row["call_id"]),
            "sources": self._json(row["sources"], self._numbers),
        }

    def _json(self, stored: str, change: Callable[[JSON], JSON]) -> str:
        before = loads(stored)
        after = change(before)
        return stored if after == before else text(after)

    def _detail(self, detail: JSON) -> JSON:
        out = dict(detail)
        if isinstance(out.get("nearest"), list):
            out["nearest"] = [
                {**one, "call": self.calls[one["call"]]} if isinstance(one, dict) and one.get("call") in self.calls else one
                for one in out["nearest"]
            ]
        if isinstance(out.get("why"), str):
            out["why"] = _CALL.sub(lambda found: f"(call {self.calls.get(int(found[1]), found[1])})", out["why"])
        return out

    def _numbers(self, numbers: JSON) -> JSON:
        return [self.calls[number] for number in numbers if number in self.calls]

    def _bindings(self, bindings: JSON) -> JSON:
        return [
            {**one, **{end: self.calls[one[end]] for end in ("from", "to") if one.get(end) in self.calls}} for one in bindings
        ]

    def _evidence(self, evidence: JSON) -> JSON:
        calls = evidence.get("calls") if isinstance(evidence, dict) else None
        return {**evidence, "calls": self._numbers(calls)} if isinstance(calls, list) else evidence
