"""JSON Schema made safe to walk: local references resolved to a bounded depth, nullable unions opened.

Schemas come from third parties. No remote ``$ref`` is ever followed, and a reference chain ends after ``MAX_DEPTH`` steps.
"""

from __future__ import annotations

from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject

MAX_DEPTH = 12


def resolve(schema: Any, root: JsonObject, depth: int = 0) -> JsonObject:
    """The schema with its own local ``$ref`` followed; an unresolvable one becomes the schema that allows anything."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if reference is None:
        return schema
    if depth >= MAX_DEPTH or not isinstance(reference, str) or not reference.startswith("#/"):
        return {}
    node: Any = root
    for part in reference[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or part not in node:
            return {}
        node = node[part]
    return {**resolve(node, root, depth + 1), **{key: value for key, value in schema.items() if key != "$ref"}}


def branches(schema: Any, root: JsonObject) -> list[JsonObject]:
    """The alternatives of ``anyOf``/``oneOf`` without ``null``, or the schema itself; ``allOf`` of one is opened."""
    resolved = resolve(schema, root)
    for word in ("anyOf", "oneOf", "allOf"):
        options = resolved.get(word)
        if isinstance(options, list) and options and (word != "allOf" or len(options) == 1):
            outer = {key: value for key, value in resolved.items() if key != word}
            found = [{**outer, **resolve(option, root)} for option in options]
            return [option for option in found if option.get("type") != "null"] or found
    return [resolved]


def single(schema: Any, root: JsonObject) -> JsonObject:
    """The one non-null alternative, or the schema as it is where there are several."""
    found = branches(schema, root)
    return found[0] if len(found) == 1 else resolve(schema, root)


def types_of(schema: Any, root: JsonObject) -> set[str]:
    """The JSON types that the schema allows, ``null`` left out; empty when it does not say."""
    found: set[str] = set()
    for option in branches(schema, root):
        declared = option.get("type")
        names = declared if isinstance(declared, list) else [declared] if declared else []
        found.update(str(name) for name in names if name != "null")
        if "enum" in option and not names:
            found.update(json_type(value) for value in option["enum"] if value is not None)
    return found


def properties(schema: JsonObject, root: JsonObject | None = None) -> dict[str, JsonObject]:
    """The properties of an object schema, each as a dictionary (unresolved)."""
    root = schema if root is None else root
    found = single(schema, root).get("properties")
    if not isinstance(found, dict):
        return {}
    return {name: value if isinstance(value, dict) else {} for name, value in found.items()}


def required(schema: JsonObject, root: JsonObject | None = None) -> list[str]:
    """The names of required properties."""
    found = single(schema, schema if root is None else root).get("required")
    return [str(name) for name in found] if isinstance(found, list) else []


def json_type(value: JSON) -> str:
    """The JSON Schema type of a value; integral floats are numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
