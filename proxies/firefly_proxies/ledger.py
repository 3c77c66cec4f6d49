"""What one client session writes into the recording. Nothing gets past here unredacted."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.redaction_rules import RedactionRules
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_proxies.upstream_stdio import say


class Redacts(Protocol):
    """What a redactor can do; :class:`firefly_mcp.redact.Redactor` is one. What it leaves alone is the same object."""

    rules: RedactionRules
    counts: Counter[str]

    def params(self, params: JsonObject | None, *, server: str = "", tool: str | None = None) -> JsonObject | None:
        """The params of a request without credentials."""

    def result(self, result: JSON, *, server: str = "", tool: str | None = None) -> JSON:
        """Any JSON without credentials."""

    def definitions(self, tools: JSON) -> JSON:
        """Tool definitions without credentials."""


class _Begun(NamedTuple):
    """A call in flight: when it began (monotonic seconds), and what was asked."""

    at: float
    server: str
    tool: str | None


class Ledger:
    """One session of the recording, begun with the first thing that is written.

    With ``on_store_error="fail"`` a failure to write is raised, and the caller must not pass on what was not recorded. With
    ``"pass"`` it is told once on standard error, and the proxy goes on.
    """

    def __init__(
        self,
        recording: Recording,
        redactor: Redacts,
        *,
        kind: str,
        key: str | None,
        transport: str,
        labels: Mapping[str, Any],
        config: JsonObject,
        origins: Mapping[str, str],
        on_store_error: str,
        note: Callable[[str], None] = say,
    ) -> None:
        """Prepare; nothing is written yet."""
        self.recording = recording
        self._redactor = redactor
        self._kind = kind
        self._key = key
        self._transport = transport
        self._labels = dict(labels)
        self._config = config
        self._origins = origins
        self._pass = on_store_error == "pass"
        self._note = note
        self._noted = False
        self._writer: SessionWriter | None = None
        self._client: tuple[JsonObject, str] = ({}, "")
        self._started: dict[int, _Begun] = {}
        self._ended: dict[str, tuple[int, _Begun]] = {}
        self._begun_at = time.monotonic()
        self._redacted: Counter[str] = Counter()
        self._told = 0
        self._writing = _Writing(self)

    @property
    def session_id(self) -> int | None:
        """The session's id in the recording, once it has begun."""
        return None if self._writer is None else self._writer.id

    def introduce(self, client_info: JsonObject, protocol_version: str) -> None:
        """Note what the client says of itself."""
        described = (self._clean(self._redactor.result, client_info), protocol_version)
        if described == self._client:
            return
        self._client = described
        if self._writer is not None:
            with self._writing:
                self._writer.describe(client_info=described[0], protocol_version=protocol_version)

    def connected(self, server: str, answer: JsonObject, protocol_version: str) -> None:
        """Note what a server says of itself in its answer to ``initialize`` or ``server/discover``."""
        with self._writing:
            self._begun().connect(
                server,
                self._clean(self._redactor.result, answer),
                protocol_version=protocol_version,
                origin=self._origins.get(server, "unknown"),
            )

    def tools(self, server: str, definitions: Iterable[JsonObject], protocol_version: str) -> None:
        """Keep the definitions of a server's tools."""
        kept = [tool for tool in definitions if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        with self._writing:
            cleaned = self._clean(self._redactor.definitions, kept)
            self.recording.snapshot_tools(server, cleaned, protocol_version=protocol_version)

    @property
    def place(self) -> int:
        """Where the session is: the number of its last call; 0 before the first."""
        return 0 if self._writer is None else self._writer.calls

    def listed(self, server: str, method: str, cursor: object, result: JsonObject, place: int | None = None) -> None:
        """Keep a page of a list as it stood at a place in the session (now, if not given). A failure is told and passed over.

        ``tools/list`` is no call of the recording; without this, replay could not tell how the list stood when.
        """
        place = self.place if place is None else place
        about = {key: value for key, value in result.items() if key != "tools"}
        kept = {**self._clean(self._redactor.result, about), "tools": self._clean(self._redactor.definitions, result["tools"])}
        try:
            self._begun().listed(server, method, cursor, kept, after=place)
        except StoreError as trouble:
            self._tell(trouble)

    def refused(self, server: str, method: str, params: JsonObject | None, error: JsonObject) -> None:
        """Keep the error that answers a request which is no call. A failure is told and passed over."""
        asked = self._clean(self._redactor.params, params, server=server)
        try:
            self._begun().refused(server, method, asked, self._clean(self._redactor.result, error), after=self.place)
        except StoreError as trouble:
            self._tell(trouble)

    def begin(self, server: str, method: str, params: JsonObject | None) -> int | None:
        """Commit a request. Returns its call id, or None when the recording failed and that is to be passed over."""
        tool = str((params or {}).get("name", "")) if method == "tools/call" else None
        with self._writing:
            call = self._begun().begin_call(
                server, method, self._clean(self._redactor.params, params, server=server, tool=tool)
            )
            self._started[call] = _Begun(time.monotonic(), server, tool)
            return call
        return None

    def end(self, call: int | None, answer: JsonObject) -> None:
        """Commit an answer."""
        if call is None or self._writer is None:
            return
        began = self._started.pop(call)
        self._ended[began.server] = (call, began)
        duration = (time.monotonic() - began.at) * 1000
        kind = "error" if "error" in answer else "result"
        with self._writing:
            cleaned = self._clean(self._redactor.result, answer[kind], server=began.server, tool=began.tool)
            self._writer.end_call(call, **{kind: cleaned}, duration_ms=duration)
        self._report()

    def cancel(self, call: int | None) -> None:
        """Mark a call as cancelled by its client."""
        if call is None or self._writer is None:
            return
        self._started.pop(call, None)
        with contextlib.suppress(StoreError):
            self._writer.cancel_call(call)

    def abandon(self, call: int | None) -> None:
        """Leave a call as interrupted."""
        if call is not None and self._writer is not None:
            self._started.pop(call, None)
            self._writer.abandon_call(call)

    def event(self, call: int | None, direction: str, message: JsonObject) -> None:
        """Keep a message that belongs to a call, or to the session. A failure is told and passed over."""
        began = None if call is None else self._started.get(call)
        if began is None and call is not None:  # what was told after the answer
            began = next((ended for number, ended in self._ended.values() if number == call), None)
        offset = (time.monotonic() - (self._begun_at if began is None else began.at)) * 1000
        try:
            self._begun().event(call, direction, self._clean(self._redactor.result, message), offset_ms=offset)
        except StoreError as trouble:
            self._tell(trouble)

    def close(self) -> None:
        """End the session."""
        if self._writer is not None:
            self._report()
            with contextlib.suppress(StoreError):
                self._writer.end()

    def _clean(self, redact: Callable[..., Any], value: JSON, **place: str | None) -> Any:
        """The value redacted; what was found is counted for this session, although sessions share the redactor."""
        before = dict(self._redactor.counts)
        cleaned = redact(value, **place)
        if cleaned is not value:
            self._redacted += self._redactor.counts - Counter(before)
        return cleaned

    def _report(self) -> None:
        """Keep how often each rule has redacted something, if that has changed. No call fails for it."""
        total = self._redacted.total()
        if self._writer is not None and total != self._told:
            with contextlib.suppress(StoreError):
                self._writer.label("redacted", dict(self._redacted))
                self._told = total

    def _begun(self) -> SessionWriter:
        if self._writer is None:
            info, version = self._client
            self._begun_at = time.monotonic()
            self._writer = self.recording.begin_session(
                self._kind,
                key=self._free_key(),
                transport=self._transport,
                client_info=info,
                protocol_version=version,
                labels=self._labels,
                config=self._config,
            )
        return self._writer

    def _free_key(self) -> str | None:
        """The wanted key, numbered if a session of the recording already has it."""
        if self._key is None:
            return None
        key, number = self._key, 1
        while self.recording.db.execute("SELECT 1 FROM session WHERE key = ?", (key,)).fetchall():
            number += 1
            key = f"{self._key}#{number}"
        return key

    def passed_over(self, trouble: StoreError) -> bool:
        """Whether the proxy goes on although something cannot be written; that is told then."""
        if self._pass:
            self._tell(trouble)
        return self._pass

    def _tell(self, trouble: StoreError) -> None:
        if not self._noted:
            self._noted = True
            self._note(f"not recorded: {trouble}")


class _Writing:
    """A context in which a failure to write is raised or passed over, as its ledger decides."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        return isinstance(error, StoreError) and self._ledger.passed_over(error)
