"""The messages that another recorder saw between a client and a server, told again into a recording.

Requests become calls with their answers; what the server says during a call (progress, logs, questions to the client) becomes
that call's events; ``initialize`` and ``tools/list`` say who the server is and what it offers, as when Firefly records itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.store.intake import Intake

NOT_CALLS = frozenset({"initialize", "server/discover", "ping", "logging/setLevel", "tools/list"})
_OF_THE_SESSION = ("list_changed", "notifications/resources/updated", "notifications/elicitation/complete")


class Said(NamedTuple):
    """One JSON-RPC message: when (seconds since 1970), by whom, and what."""

    at: float
    by_client: bool
    message: JsonObject


@dataclass(slots=True)
class _Asked:
    """A request that waits for its answer; ``call`` is None where it is no call."""

    at: float
    method: str
    params: JsonObject
    call: int | None


class Transcript:
    """One session with one server, message by message."""

    def __init__(self, intake: Intake, key: str, server: str, *, transport: str, labels: JsonObject) -> None:
        """Prepare; the session begins with its first message."""
        self._intake = intake
        self._key = key
        self._server = server
        self._transport = transport
        self._labels = labels
        self._asked: dict[str | int, _Asked] = {}
        self._questions: dict[str | int, int | None] = {}
        self._client: JsonObject = {}
        self._page: list[JsonObject] = []
        self._version = ""
        self._began = 0.0
        self._last: int | None = None

    def tell(self, messages: Iterable[Said]) -> None:
        """Take in all messages of the session, in order."""
        last = None
        for said in messages:
            if last is None:
                self._began = said.at
                self._session = self._intake.session(self._key, at=said.at, labels=self._labels, transport=self._transport)
            last = said.at
            if not isinstance(said.message, dict):
                continue
            (self._from_client if said.by_client else self._from_server)(said.at, said.message)
        if last is not None:
            self._intake.end_session(self._session, last)

    def _from_client(self, at: float, message: JsonObject) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            if number in self._questions:
                self._event(self._questions.pop(number), at, "to_server", message)
        elif number is not None:
            self._ask(at, str(method), number, message)
        elif method == "notifications/cancelled":
            taken_back = self._asked.pop((message.get("params") or {}).get("requestId", ""), None)
            if taken_back is not None and taken_back.call is not None:
                self._intake.cancel(taken_back.call)

    def _ask(self, at: float, method: str, number: str | int, message: JsonObject) -> None:
        params = message.get("params") if isinstance(message.get("params"), dict) else {}
        assert isinstance(params, dict)
        call = None
        if method == "initialize":
            self._client = params.get("clientInfo") or {}
        if method not in NOT_CALLS:
            open_calls = [asked.call for asked in self._asked.values() if asked.call is not None]
            self._intake.overlap(open_calls)
            call = self._intake.begin_call(self._key, self._server, method, params, at=at, overlaps=len(open_calls))
        self._asked[number] = _Asked(at, method, params, call)

    def _from_server(self, at: float, message: JsonObject) -> None:
        method, number = message.get("method"), message.get("id")
        if method is not None:
            call = self._related(message, str(method), message.get("params") or {})
            if number is not None:
                self._questions[number] = call
            self._event(call, at, "to_client", message)
            return
        asked = self._asked.pop(number, None) if number is not None else None
        if asked is not None:
            self._answered(at, asked, message)

    def _answered(self, at: float, asked: _Asked, message: JsonObject) -> None:
        result, error = message.get("result"), message.get("error")
        if asked.call is not None:
            self._last = asked.call
            if isinstance(result, dict) or isinstance(error, dict):
                self._intake.answer(
                    asked.call,
                    server=self._server,
                    tool=str(asked.params.get("name", "")) if asked.method == "tools/call" else None,
                    result=result if isinstance(result, dict) else None,
                    error=error if isinstance(error, dict) else None,
                    duration_ms=max(0.0, (at - asked.at) * 1000),
                )
        elif isinstance(result, dict):
            self._learn(at, asked, result)

    def _learn(self, at: float, asked: _Asked, result: JsonObject) -> None:
        if asked.method in ("initialize", "server/discover"):
            self._version = str(result.get("protocolVersion") or next(iter(result.get("supportedVersions") or ()), ""))
            self._intake.describe(self._session, self._client, self._version)
            self._intake.connect(self._session, self._server, result, self._version, at=at)
        elif asked.method == "tools/list" and isinstance(result.get("tools"), list):
            self._intake.listed(self._key, self._server, asked.method, asked.params.get("cursor"), result)
            listed = [tool for tool in result["tools"] if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
            self._page = listed if asked.params.get("cursor") is None else [*self._page, *listed]
            if result.get("nextCursor") is None:
                self._intake.tools(self._server, self._page, at=at, protocol_version=self._version)

    def _related(self, message: JsonObject, method: str, params: JSON) -> int | None:
        """The call during which a server says something, as a recording has it.

        It is the one whose progress token the message bears, else the only one in flight. A question belongs to the newest in
        flight where that is not known, and what is told to the session to the newest, or else the last one.
        """
        waiting = [asked for asked in self._asked.values() if asked.call is not None]
        if method.endswith(_OF_THE_SESSION):
            return waiting[-1].call if waiting else self._last
        token = params.get("progressToken") if isinstance(params, dict) else None
        if token is not None:
            bearing = [asked for asked in waiting if (asked.params.get("_meta") or {}).get("progressToken") == token]
            return bearing[0].call if bearing else None
        return waiting[-1].call if waiting and ("id" in message or len(waiting) == 1) else None

    def _event(self, call: int | None, at: float, direction: str, message: JsonObject) -> None:
        began = next((asked.at for asked in self._asked.values() if call is not None and asked.call == call), self._began)
        self._intake.event(call, self._session, direction, message, offset_ms=max(0.0, (at - began) * 1000))


def server_name(messages: Iterable[Said], otherwise: str) -> str:
    """What the server calls itself in its answer to ``initialize`` or ``server/discover``."""
    for said in messages:
        result = said.message.get("result") if isinstance(said.message, dict) else None
        info = result.get("serverInfo") if isinstance(result, dict) else None
        if not said.by_client and isinstance(info, dict) and isinstance(info.get("name"), str) and info["name"].strip():
            return str(info["name"]).strip()
    return otherwise
