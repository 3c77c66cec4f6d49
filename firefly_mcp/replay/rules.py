"""The rules of a replay, per tool."""

from __future__ import annotations

from firefly_mcp.match.rules import NO_RULES, ToolRules

__all__ = ["NO_RULES", "ToolRules"]
