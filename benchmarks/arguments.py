"""Arguments for a tool of which only the schema is known: enough that it does something, or refuses, twice the same way."""

from __future__ import annotations

from typing import Any

_BY_NAME = {
    "timezone": "Europe/Berlin",
    "source_timezone": "Europe/Berlin",
    "target_timezone": "Asia/Tokyo",
    "time": "14:30",
    "date": "2024-02-29",
    "start_date": "2024-01-01",
    "end_date": "2024-03-01",
    "country": "DE",
    "url": "http://127.0.0.1:9/",
    "query": "SELECT 1 AS one",
    "sql": "SELECT 1 AS one",
    "expression": "2*x + 3",
    "email": "ada@example.com",
    "year": 2024,
    "month": 2,
    "day": 29,
}
_BY_FORMAT = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T14:30:00Z",
    "time": "14:30:00",
    "email": "ada@example.com",
    "uri": "http://127.0.0.1:9/",
    "uuid": "6f1ed002-ab5c-4b8e-9d3c-0c6f6f6f6f6f",
}


def arguments_for(schema: dict[str, Any]) -> dict[str, Any]:
    """The required arguments of an input schema."""
    definitions = schema.get("$defs") or schema.get("definitions") or {}
    properties = schema.get("properties") or {}
    return {name: _value(name, properties.get(name) or {}, definitions, 0) for name in schema.get("required") or []}


def _value(name: str, schema: Any, definitions: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > 6:
        return "a"
    if "$ref" in schema:
        return _value(name, definitions.get(str(schema["$ref"]).rpartition("/")[2]) or {}, definitions, depth + 1)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _value(name, schema[key][0], definitions, depth + 1)
    return _typed(name, schema, definitions, depth)


def _typed(name: str, schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    known = _BY_NAME.get(name.lower())
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 1), schema.get("maximum")
        value = known if isinstance(known, int) else max(low, 3)
        return value if high is None else min(value, high)
    if kind == "boolean":
        return True
    if kind == "array":
        return [_value(name.rstrip("s"), schema.get("items") or {}, definitions, depth + 1)] * max(
            schema.get("minItems") or 1, 1
        )
    if kind == "object":
        inner = {**schema, "$defs": definitions}
        return arguments_for(inner) if depth < 6 else {}
    if isinstance(known, str):
        return known
    text = _BY_FORMAT.get(str(schema.get("format")), f"firefly {name}")
    return text.ljust(schema.get("minLength") or 0, "x")[: schema.get("maxLength")]
