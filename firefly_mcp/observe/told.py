"""Values that a tool's schema itself offers for an argument: whoever uses one of them need not have seen it anywhere."""

from __future__ import annotations

from typing import Any

from firefly_mcp.observe.values import value_key
from firefly_mcp.schemas import branches, properties
from firefly_mcp.types import Tool

_MAX_DEPTH = 6


def values_told(tool: Tool, argument: str) -> frozenset[object]:
    """The keys (:func:`~firefly_mcp.observe.values.value_key`) of constants, defaults, enums and examples for a top-level
    argument, in its items and members too."""
    schema = tool.input_schema
    told: set[object] = set()

    def visit(own: Any, depth: int) -> None:
        for option in branches(own, schema):
            offered = [option[word] for word in ("const", "default", "example") if word in option]
            for word in ("enum", "examples"):
                listed = option.get(word)
                offered += listed if isinstance(listed, list) else []
            told.update(value_key(value) for value in offered)
            if depth < _MAX_DEPTH:
                for inner in (option.get("items"), option.get("additionalProperties"), *properties(option, schema).values()):
                    if isinstance(inner, dict):
                        visit(inner, depth + 1)

    visit(properties(schema).get(argument, {}), 0)
    told.discard(None)
    return frozenset(told)
