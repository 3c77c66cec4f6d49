"""Pure arithmetic with structured results."""

from __future__ import annotations

import time
from typing import Literal

import mcp.types as types
from _run import run
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

server = MCPServer("calc")
_PURE = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True)


class Number(BaseModel):
    value: float
    text: str


def _number(value: float) -> Number:
    return Number(value=value, text=f"{value:g}")


@server.tool(annotations=_PURE)
def add(a: float, b: float) -> Number:
    """Add two numbers."""
    return _number(a + b)


@server.tool(annotations=_PURE)
def divide(a: float, b: float) -> Number:
    """Divide a by b."""
    return _number(a / b)


@server.tool(annotations=_PURE)
def convert(value: float, unit: Literal["km", "mile"]) -> Number:
    """Convert a length to the other unit."""
    return _number(value / 1.609344 if unit == "km" else value * 1.609344)


@server.tool(annotations=_PURE)
def slow_add(a: float, b: float, seconds: float) -> Number:
    """Add two numbers after a while."""
    time.sleep(seconds)
    return _number(a + b)


if __name__ == "__main__":
    run(server)
