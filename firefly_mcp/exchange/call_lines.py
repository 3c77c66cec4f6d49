"""``import --format calls``: JSON lines ``{server, tool, arguments, result | error, session?, at?}``, and tool definitions.

Any recorded data set can thus become a recording. Calls of one ``session`` are one session, in the order of their lines. Lines
that name none are independent look-ups: they are kept together, and a server of which there are no other lines is noted as
stateless, so that each of its calls is found in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.schemas import json_type
from firefly_mcp.store.intake import Intake
from firefly_mcp.types import ToolKey, params_of

STATELESS: JsonObject = {"firefly": {"stateless": True}}
_MILLISECONDS = 1e11
"""A time from this number on is in milliseconds: in seconds it would be in the year 5138."""


@dataclass
class CallLines:
    """Reads one file into an :class:`~firefly_mcp.store.intake.Intake`."""

    intake: Intake
    path: Path
    definitions: Mapping[ToolKey, JsonObject] = field(default_factory=dict)
    tell: Callable[[int], None] = lambda count: None
    """Called with the number of lines read, every :data:`TELL` of them."""

    def __post_init__(self) -> None:
        self._time = _mtime(self.path)
        self._sessions: set[str] = set()
        """Servers of which a line names a session."""
        self._alone: set[str] = set()
        """Servers of which a line names none."""
        self._arguments: dict[ToolKey, dict[str, set[str]]] = defaultdict(dict)
        """JSON types of the arguments of tools that nobody has defined."""

    def read(self) -> None:
        """Read all lines.

        Raises:
            UsageError: a line is not of the form; it is named.
        """
        for number, line in json_lines(self.path):
            self._line(_Line(self.path, number, line))
            if number % TELL == 0:
                self.tell(number)
        for key in self.definitions:
            self.intake.server(key.server, at=self._time)
        for server in sorted(self._alone - self._sessions):
            self.intake.server(server, spec=STATELESS, at=self._time)
        self._define()

    @property
    def mixed(self) -> list[str]:
        """Servers of which some lines name a session and some do not."""
        return sorted(self._alone & self._sessions)

    def _line(self, line: _Line) -> None:
        server, tool = line.name("server"), line.name("tool")
        arguments, answer = line.arguments(), line.answer()
        key, session = ToolKey(server, tool), line.session()
        at = line.at(self._time)
        if session is None:
            self._alone.add(server)
            session = f"import:{server}"
        else:
            self._sessions.add(server)
        if key not in self.definitions:
            types = self._arguments[key]
            for name, value in arguments.items():
                types.setdefault(name, set()).add(json_type(value))
        self.intake.session(session, at=at, labels={"import": {"format": "calls", "file": self.path.name}})
        call = self.intake.begin_call(session, server, "tools/call", params_of(tool, arguments), at=at)
        result, error = answer
        if error is None:
            result = call_result(result, self.definitions.get(key, {}).get("outputSchema"))
        self.intake.answer(call, server=server, tool=tool, result=result, error=error)

    def _define(self) -> None:
        by_server: dict[str, list[JsonObject]] = defaultdict(list)
        for key, definition in self.definitions.items():
            by_server[key.server].append(definition)
        for key, types in self._arguments.items():
            by_server[key.server].append(seen_definition(key.tool, types))
        for server, definitions in by_server.items():
            self.intake.tools(server, definitions, at=self._time)


TELL = 100_000


class _Line:
    """One line: its fields, or an error that names it."""

    def __init__(self, path: Path, number: int, value: JSON) -> None:
        self._path, self._number = path, number
        if not isinstance(value, dict):
            self.refuse("is not a JSON object")
        self._value: JsonObject = value

    def refuse(self, why: str) -> NoReturn:
        raise UsageError(f"{self._path}:{self._number}: {why}; nothing was imported")

    def name(self, field_name: str) -> str:
        value = self._value.get(field_name)
        if not isinstance(value, str) or not value:
            self.refuse(f"{field_name!r} is missing, or no text")
        return value

    def arguments(self) -> JsonObject:
        value = self._value.get("arguments")
        if value is not None and not isinstance(value, dict):
            self.refuse("'arguments' is not a JSON object")
        return value or {}

    def answer(self) -> tuple[JSON, JsonObject | None]:
        if ("result" in self._value) == ("error" in self._value):
            self.refuse("give either 'result' or 'error'")
        error = self._value.get("error")
        if "error" not in self._value:
            return self._value["result"], None
        if isinstance(error, dict) and isinstance(error.get("code"), int) and isinstance(error.get("message"), str):
            return None, error
        said = error if isinstance(error, str) else text(error)
        return {"content": [{"type": "text", "text": said}], "isError": True}, None

    def session(self) -> str | None:
        value = self._value.get("session")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            self.refuse("'session' is neither a text nor a number")
        return str(value)

    def at(self, otherwise: float) -> float:
        value = self._value.get("at")
        if value is None:
            return otherwise
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except ValueError:
                self.refuse(f"'at' is no time: {value!r}; write seconds since 1970, or 2026-11-23T10:00:00Z")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse("'at' is no time; write seconds since 1970, or 2026-11-23T10:00:00Z")
        return float(value) / 1000 if value >= _MILLISECONDS else float(value)


def call_result(value: JSON, output_schema: Any = None) -> JsonObject:
    """A CallToolResult as it is; any other JSON as text and, wrapped into an object where it is none, as structured content."""
    if isinstance(value, dict) and isinstance(value.get("content"), list) and all(map(_is_block, value["content"])):
        return value
    said = value if isinstance(value, str) else text(value)
    structured = value if isinstance(value, dict) and not _wrapped(output_schema) else {"result": value}
    return {"content": [{"type": "text", "text": said}], "structuredContent": structured}


def _is_block(item: JSON) -> bool:
    return isinstance(item, dict) and isinstance(item.get("type"), str)


def _wrapped(output_schema: Any) -> bool:
    """Whether a schema that was put around another one is this one."""
    return isinstance(output_schema, dict) and output_schema.get("x-firefly-wrapped") is True


def seen_definition(tool: str, types: Mapping[str, set[str]]) -> JsonObject:
    """A definition for a tool of which only calls are known: the names and JSON types of its arguments, and no promise."""
    return {
        "name": tool,
        "description": "",
        "inputSchema": {
            "type": "object",
            "properties": {
                name: {"type": next(iter(seen)) if len(seen) == 1 else sorted(seen)} for name, seen in sorted(types.items())
            },
        },
        "_meta": {"firefly/inferred": True},
    }


def read_definitions(path: Path) -> dict[ToolKey, JsonObject]:
    """Tool definitions from JSON lines ``{server, name, description, inputSchema, outputSchema?}``; other keys are kept.

    An output schema that is not one of an object is wrapped, as the results will be: MCP wants an object there.

    Raises:
        UsageError: a line is not of the form; it is named.
    """
    found: dict[ToolKey, JsonObject] = {}
    for number, value in json_lines(path):
        line = _Line(path, number, value)
        server, name = line.name("server"), line.name("name")
        definition: JsonObject = {key: item for key, item in value.items() if key != "server"}
        for word in ("inputSchema", "outputSchema"):
            if word in definition and not isinstance(definition[word], dict):
                line.refuse(f"{word!r} is not a JSON object")
        definition.setdefault("inputSchema", {"type": "object"})
        schema = definition.get("outputSchema")
        if schema is not None and schema.get("type", "object") != "object":
            definition["outputSchema"] = {
                "type": "object",
                "properties": {"result": schema},
                "required": ["result"],
                "x-firefly-wrapped": True,
            }
        found[ToolKey(server, name)] = definition
    return found


def json_lines(path: Path) -> Iterator[tuple[int, JSON]]:
    """The values of a file of JSON lines with their line numbers; blank lines are passed over.

    Raises:
        UsageError: the file cannot be read, or a line is not JSON.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield number, loads(line)
                except ValueError as error:
                    raise UsageError(f"{path}:{number}: not JSON ({error}); nothing was imported") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({'is a folder' if path.is_dir() else error.strerror})") from error


def _mtime(path: Path) -> float:
    """The time of a file: what is imported twice from one file is then the same, and is taken once."""
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
