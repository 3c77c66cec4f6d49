"""The hashes by which the ladder compares calls: functions of a tool's schema, the user's rules and a call's arguments."""

from __future__ import annotations

from firefly_mcp.argkinds import identity_hash
from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.normalize import normalized_hash
from firefly_mcp.replay.rules import NO_REPLAY_RULES, ReplayRules
from firefly_mcp.types import Tool, ToolKey

ALGORITHM = 1
"""Raised when the same arguments get other hashes than before, so that stored ones are made anew."""


class CallHashes:
    """Hashes calls of the tools of one recording."""

    def __init__(self, tools: dict[ToolKey, Tool], rules: ReplayRules | None = None) -> None:
        """Use the current schemas of ``tools``."""
        self._tools = tools
        self._rules = rules or NO_REPLAY_RULES

    def stamp(self, key: ToolKey) -> str:
        """What the hashes of this tool's calls rest on."""
        return hash_json([ALGORITHM, self._schema(key), self._rules.forms_digest(key)])

    def normalized(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the arguments in the normal form of the tool's schema."""
        return normalized_hash(key.tool, arguments, self._schema(key), off=self._rules.tool(key).off)

    def identity(self, key: ToolKey, arguments: JsonObject) -> str:
        """Hash of the identifying arguments."""
        return identity_hash(key.tool, arguments, self._schema(key))

    def all(self, key: ToolKey, arguments: JsonObject) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """The normalized hash, the identity hash, and the free texts as ``(place, hash of the text)``."""
        return self.normalized(key, arguments), self.identity(key, arguments), ()

    def _schema(self, key: ToolKey) -> JsonObject:
        tool = self._tools.get(key)
        return tool.input_schema if tool else {}
