"""The nouns that all parts share, as frozen dataclasses. JSON stays JSON; these carry it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JSON, JsonObject


class ToolKey(NamedTuple):
    """One tool of one server. Exposed names are derived from it at the edge and never replace it."""

    server: str
    tool: str

    def __str__(self) -> str:
        return f"{self.server}/{self.tool}"


class MatchKind(StrEnum):
    """How a replayed answer was found, best first."""

    EXACT = "exact"
    NORMALIZED = "normalized"
    SEMANTIC = "semantic"
    SIMULATED = "simulated"
    LIVE = "live"
    MISS = "miss"


class SessionKind(StrEnum):
    """Why a session was held. Replayed sessions never serve as evidence or as match candidates."""

    RECORD = "record"
    EXPLORE = "explore"
    CONFIRM = "confirm"
    PROBE = "probe"
    IMPORT = "import"
    REPLAY = "replay"


class CallStatus(StrEnum):
    """``interrupted`` until the answer is committed: a crash needs no clean-up to be told truthfully."""

    INTERRUPTED = "interrupted"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Tool:
    """A tool snapshot: one definition as a server gave it at one time."""

    server: str
    definition: JsonObject

    @property
    def name(self) -> str:
        """The server's own name of the tool."""
        return str(self.definition["name"])

    @property
    def key(self) -> ToolKey:
        """The ``(server, tool)`` pair."""
        return ToolKey(self.server, self.name)

    @property
    def title(self) -> str:
        """The display name, or the empty string."""
        annotations = self.definition.get("annotations") or {}
        return str(self.definition.get("title") or annotations.get("title") or "")

    @property
    def description(self) -> str:
        """What the server says of the tool, or the empty string."""
        return str(self.definition.get("description") or "")

    @property
    def input_schema(self) -> JsonObject:
        """JSON Schema of the arguments."""
        schema = self.definition.get("inputSchema")
        return schema if isinstance(schema, dict) else {"type": "object"}

    @property
    def output_schema(self) -> JsonObject | None:
        """JSON Schema of ``structuredContent``, if the server declares one."""
        schema = self.definition.get("outputSchema")
        return schema if isinstance(schema, dict) else None

    @property
    def annotations(self) -> JsonObject:
        """The server's hints (``readOnlyHint`` …); untrusted."""
        hints = self.definition.get("annotations")
        return hints if isinstance(hints, dict) else {}

    @cached_property
    def hash(self) -> str:
        """Hash of the definition in canonical form."""
        return hash_json(self.definition)


@dataclass(frozen=True, slots=True)
class Session:
    """One client's run of calls."""

    id: int
    key: str
    kind: str
    transport: str
    client_info: JsonObject
    protocol_version: str
    labels: JsonObject
    config: JsonObject
    started_at: float
    ended_at: float | None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """One session's connection to one server: what the server said of itself, and where its state began."""

    session: int
    server: str
    protocol_version: str
    initialize: JsonObject
    origin: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its result. ``tool`` and ``arguments`` are set for ``tools/call``."""

    id: int
    session: int
    seq: int
    server: str
    method: str
    tool: str | None
    params: JsonObject
    args_hash: str
    result: JsonObject | None
    result_hash: str | None
    error: JsonObject | None
    is_error: bool
    status: str
    started_at: float
    duration_ms: float | None
    overlaps: int
    match: str | None = None
    source_call: int | None = None
    detail: JsonObject = field(default_factory=dict)

    @property
    def key(self) -> ToolKey:
        """The tool key; the method stands in for the tool of other requests."""
        return ToolKey(self.server, self.tool if self.tool is not None else self.method)

    @property
    def arguments(self) -> JsonObject:
        """The arguments of a ``tools/call``, never ``None``."""
        arguments = self.params.get("arguments")
        return arguments if isinstance(arguments, dict) else {}


def goes_on(params: JsonObject) -> bool:
    """Whether a request goes on with an earlier one, with what its server had asked for: a later round of the same exchange.

    Such a request stands for what its client said, and only an equal one can be answered alike.
    """
    return "inputResponses" in params or "requestState" in params


def params_of(tool: str, arguments: dict[str, Any]) -> JsonObject:
    """The params of a ``tools/call`` request."""
    return {"name": tool, "arguments": arguments}


def is_error_result(result: JSON) -> bool:
    """Whether a result carries the protocol's own error flag."""
    return isinstance(result, dict) and bool(result.get("isError"))
