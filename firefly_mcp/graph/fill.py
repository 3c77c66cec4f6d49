"""Which arguments can be made from the schema alone, and which need an earlier answer."""

from __future__ import annotations

import re
from typing import Any

from firefly_mcp.graph.words import name_words
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.schemas import branches, properties, required, types_of
from firefly_mcp.types import Tool

_MAX_DEPTH = 6
_TELLS_EXAMPLE = re.compile(r"(?i)\be\.?g\.?[\s,:]|\bfor example\b|\bsuch as\b|\bexamples?\b\s*[:(]|\bi\.e\.|\blike ['\"`]")
_FREE_TEXT = frozenset(
    """
    text query question prompt message content body note comment description summary title subject name
    keyword term topic search word sentence label caption goal reason expression formula equation feedback
    thought instruction
    """.split()
)
_ID_WORDS = frozenset(
    """
    id key code path file uri token handle reference ref hash sha cursor session uuid directory database table
    """.split()
)
_KNOWN_WORDS = frozenset(
    """
    date time year month day country city state currency timezone language latitude longitude weight height
    age amount price rate percent quantity number value unit temperature distance duration email url
    """.split()
)


def fillable(schema: Any, root: JsonObject, name: str = "", depth: int = 0) -> bool:
    """Whether a sensible value for an argument can be made from its schema alone.

    True for enums, constants, defaults, examples (also told in the description), booleans, formats such as dates, numbers
    and free text; false for ids, paths and other names of things that only a server or a caller can know.
    """
    for option in branches(schema, root):
        if any(word in option for word in ("enum", "const", "default", "examples", "example")):
            return True
        types = types_of(option, root)
        if "boolean" in types or option.get("format") in ("date", "date-time", "time", "uri", "email"):
            return True
        if _TELLS_EXAMPLE.search(str(option.get("description") or "")):
            return True
        if "array" in types:
            return option.get("minItems", 1) == 0 or (
                depth < _MAX_DEPTH and fillable(option.get("items") or {}, root, name, depth + 1)
            )
        if "object" in types:
            inner = properties(option, root)
            return depth < _MAX_DEPTH and all(
                fillable(inner[key], root, key, depth + 1) for key in required(option, root) if key in inner
            )
        words = name_words(name)
        if words and _ID_WORDS & set(words):
            continue
        if "number" in types or "integer" in types:
            return True
        if words and (words[-1] in _FREE_TEXT or words[-1] in _KNOWN_WORDS):
            return True
    return False


def open_arguments(tool: Tool) -> list[str]:
    """The required arguments that cannot be made from the schema: an earlier answer, or the caller, must give them."""
    schema = tool.input_schema
    own = properties(schema)
    return [name for name in required(schema) if not fillable(own.get(name, {}), schema, name)]
