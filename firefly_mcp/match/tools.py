"""How the calls of each tool of a recording are compared: its schema, the user's rules, and what the recorded values show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.match.observe import LOOKED_AT, observed_kinds
from firefly_mcp.match.plan import Plan, free_texts, match_hashes, normalized_hash, plan_of, tool_hash
from firefly_mcp.match.rules import NO_RULES, ToolRules
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool, ToolKey

ALGORITHM = "match-1"
"""Enters every stamp: raise it when the same call would get another hash than before."""
_FIRST_CALLS = 5000
"""Of the whole recording: what the recorded values show is decided by these alone, and stands still after them."""
_NO_SCHEMA: JsonObject = {}


class ToolMatching:
    """Hashes and free texts of calls, by tool."""

    def __init__(
        self, recording: Recording, tools: Mapping[ToolKey, Tool], rules: Callable[[ToolKey], ToolRules] | None = None
    ) -> None:
        """Look at the first recorded calls.

        Args:
            recording: the recording.
            tools: its tools.
            rules: the user's rules for each.
        """
        self._schemas = {key: tool.input_schema for key, tool in tools.items()}
        first = _first_calls(recording)
        self._rules: dict[ToolKey, ToolRules] = {}
        for key, schema in self._schemas.items():
            told = rules(key) if rules else NO_RULES
            shown = observed_kinds(first.get(key, ()), schema)
            self._rules[key] = replace(told, observed=shown) if shown else told

    @property
    def tools(self) -> Sequence[ToolKey]:
        """The tools that have a schema here."""
        return list(self._schemas)

    def rules(self, key: ToolKey) -> ToolRules:
        """The user's rules of a tool, completed by what the recording shows."""
        return self._rules.get(key, NO_RULES)

    def plan(self, key: ToolKey) -> Plan:
        """The tool's matching plan."""
        return plan_of(self._schemas.get(key, _NO_SCHEMA), self.rules(key))

    def stamp(self, key: ToolKey) -> str:
        """Hash of all that decides the hashes and free texts of the tool's calls."""
        rules = self.rules(key)
        kinds = [sorted((place, str(kind)) for place, kind in told.items()) for told in (rules.kinds, rules.observed)]
        return hash_json([ALGORITHM, self._schemas.get(key, _NO_SCHEMA), sorted(rules.ignore), sorted(rules.off), *kinds])

    def normalized(self, key: ToolKey, arguments: JsonObject) -> str:
        """The normalized hash of a call."""
        return normalized_hash(key.tool, arguments, self._schemas.get(key, _NO_SCHEMA), self.rules(key))

    def identity(self, key: ToolKey, arguments: JsonObject) -> str:
        """The identity hash of a call."""
        return match_hashes(key.tool, arguments, self._schemas.get(key, _NO_SCHEMA), self.rules(key))[1]

    def all(self, key: ToolKey, arguments: JsonObject) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """The normalized hash, the identity hash, and the free texts as ``(place, hash of the text)``."""
        plan = self.plan(key)
        normal = plan.normal(arguments)
        texts = tuple((place, text_hash(value)) for place, value in plan.texts(normal))
        # What has no free text is identified by the whole of it.
        identity = plan.identity(normal) if texts else normal
        return tool_hash(key.tool, normal), tool_hash(key.tool, identity), texts

    def texts(self, key: ToolKey, arguments: JsonObject) -> dict[str, str]:
        """The free texts of a call, by JSON pointer."""
        return free_texts(arguments, self._schemas.get(key, _NO_SCHEMA), self.rules(key))


def text_hash(value: str) -> str:
    """What a free text is known by in the recording's tables."""
    return hash_bytes(value.encode("utf-8", "surrogatepass"))


def _first_calls(recording: Recording) -> Mapping[ToolKey, list[JsonObject]]:
    found: dict[ToolKey, list[JsonObject]] = defaultdict(list)
    rows = recording.db.execute(
        "SELECT v.name, c.tool, c.params FROM call c JOIN server v ON v.id = c.server_id"
        " JOIN session s ON s.id = c.session_id WHERE s.kind <> 'replay' AND c.tool IS NOT NULL ORDER BY c.id LIMIT ?",
        (_FIRST_CALLS,),
    )
    for server, tool, params in rows:
        calls = found[ToolKey(server, tool)]
        if len(calls) < LOOKED_AT:
            arguments = loads(params).get("arguments")
            calls.append(arguments if isinstance(arguments, dict) else {})
    return found
