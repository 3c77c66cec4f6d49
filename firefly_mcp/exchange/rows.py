"""One row of a recording as one line of a cassette, and back, to the byte.

A line is ``{"TABLE": {column: value, ...}}``. Columns that hold JSON are written as JSON, so that a cassette can be read and
compared by people; text that would not come back as it was stays a text under ``firefly/text``. NULL is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import apsw

from firefly_mcp.jsonio import JSON, JsonObject, dumps, loads, text
from firefly_mcp.types import Tool

Row = dict[str, Any]

JSON_COLUMNS: dict[str, frozenset[str]] = {
    "server": frozenset({"spec"}),
    "tool_snapshot": frozenset({"definition"}),
    "session": frozenset({"client_info", "labels", "config"}),
    "connection": frozenset({"initialize"}),
    "blob": frozenset({"data"}),
    "call": frozenset({"params", "request_meta", "error", "detail"}),
    "call_event": frozenset({"message"}),
    "effect": frozenset({"evidence"}),
    "edge": frozenset({"evidence"}),
    "trajectory": frozenset({"dag", "calls", "bindings", "outcome"}),
    "task": frozenset({"task"}),
    "embedder": frozenset({"config"}),
    "simulated": frozenset({"sources"}),
}
_RAW = "firefly/text"
_BYTES = "firefly/bytes"
_OF_DEFINITION = ("description", "input_schema", "output_schema", "annotations")
"""Columns of a tool snapshot that its definition holds already."""


def encode(table: str, row: Row) -> bytes:
    """The line of a row, without its end."""
    kept = {name: value for name, value in row.items() if value is not None}
    if table == "tool_snapshot":
        derived = _of_definition(kept["definition"])
        kept = {name: value for name, value in kept.items() if name not in _OF_DEFINITION or derived.get(name) != value}
    for name, value in kept.items():
        if isinstance(value, bytes):
            kept[name] = {_BYTES: base64.b64encode(value).decode()}
        elif name in JSON_COLUMNS.get(table, ()) and isinstance(value, str):
            kept[name] = _as_json(value)
    return dumps({table: kept})


def decode(table: str, line: JsonObject) -> Row:
    """The row of a line; columns that are left out are NULL or have their default."""
    row: Row = {}
    for name, value in line.items():
        if isinstance(value, dict) and value.keys() == {_BYTES}:
            row[name] = base64.b64decode(value[_BYTES])
        elif name in JSON_COLUMNS.get(table, ()):
            row[name] = value[_RAW] if isinstance(value, dict) and value.keys() == {_RAW} else text(value)
        else:
            row[name] = value
    if table == "tool_snapshot":
        row = {**_of_definition(row["definition"]), **row}
    return row


def rows(db: apsw.Connection, sql: str, *values: Any) -> Iterator[Row]:
    """The rows of a query by column name."""
    cursor = db.cursor()
    for row in cursor.execute(sql, values):
        yield {name: value for (name, *_), value in zip(cursor.get_description(), row, strict=True)}


def _as_json(stored: str) -> JSON:
    try:
        value = loads(stored)
        if text(value) == stored and not (isinstance(value, dict) and {_RAW, _BYTES} & value.keys()):
            return value
    except ValueError:
        pass
    return {_RAW: stored}


def _of_definition(definition: str) -> Row:
    tool = Tool("", loads(definition))
    optional = {"output_schema": tool.output_schema, "annotations": tool.definition.get("annotations")}
    return {
        "description": tool.description,
        "input_schema": text(tool.input_schema),
        **{name: text(value) for name, value in optional.items() if value is not None},
    }
