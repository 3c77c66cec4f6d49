"""The effect relation: may a call of tool W change what tool X answers afterwards, and how do we know?

Evidence, strongest first: the user's ``replay.toml``; an observed difference; observed equality (or a probe made on
purpose); annotations; the verb. One observed difference outranks any annotation. Effects across servers exist only when
declared. A tool whose answer differs although nothing happened in between is *volatile*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.state.verbs import VerbClass, verb_class
from firefly_mcp.types import Tool, ToolKey

Pair = tuple[ToolKey, ToolKey]
"""``(writer, reader)``, both tools of one server."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether a writer may affect a reader, and the evidence for it.

    ``source`` is ``declared``, ``observed``, ``equality``, ``annotation``, ``verb`` or ``default``.
    """

    affects: bool
    source: str
    evidence: JsonObject = field(default_factory=dict)


class EffectRelation:
    """The relation over all tools of a recording; answers are cached per pair."""

    def __init__(
        self,
        tools: Mapping[ToolKey, Tool],
        *,
        observed: Mapping[Pair, Effect] | None = None,
        declared: Mapping[Pair, Effect] | None = None,
        volatile: Iterable[ToolKey] = (),
    ) -> None:
        """Combine the evidence; :func:`firefly_mcp.state.learn.learn_effects` reads it out of a recording."""
        self.tools = dict(tools)
        self.observed = dict(observed or {})
        self.declared = dict(declared or {})
        self.volatile = frozenset(volatile)
        self._effects: dict[Pair, Effect] = {}
        self._reads: dict[ToolKey, bool] = {}
        self._writes: dict[ToolKey, bool] = {}

    def effect(self, writer: ToolKey, reader: ToolKey) -> Effect:
        """What is known of ``writer`` affecting ``reader``."""
        pair = (writer, reader)
        known = self._effects.get(pair)
        if known is None:
            known = self._effects[pair] = self._decide(pair)
        return known

    def may_affect(self, writer: ToolKey, reader: ToolKey) -> bool:
        """Whether a successful call of ``writer`` may change what ``reader`` answers."""
        return self.effect(writer, reader).affects

    def writes(self, key: ToolKey) -> bool:
        """Whether any tool of the server may be affected by this one."""
        known = self._writes.get(key)
        if known is None:
            known = any(self.may_affect(key, other) for other in self.tools if other.server == key.server)
            self._writes[key] = known
        return known

    def reads_state(self, key: ToolKey) -> bool:
        """Whether anything may affect what this tool answers; if not, replay is plain look-up in any order."""
        known = self._reads.get(key)
        if known is None:
            known = self._reads[key] = any(self.may_affect(w, key) for w in self.tools if w.server == key.server)
        return known

    def stateless(self, server: str) -> bool:
        """Whether no tool of the server may affect any other."""
        return not any(self.writes(key) for key in self.tools if key.server == server)

    def pairs(self, server: str | None = None) -> list[tuple[ToolKey, ToolKey, Effect]]:
        """Every pair in which an effect is possible or was disproved by observation, for display."""
        keys = [key for key in self.tools if server is None or key.server == server]
        rows = [(w, x, self.effect(w, x)) for w in keys for x in keys if w.server == x.server]
        return [row for row in rows if row[2].affects or row[2].source in ("declared", "observed", "equality")]

    def _decide(self, pair: Pair) -> Effect:
        writer, reader = pair
        if pair in self.declared:
            return self.declared[pair]
        if writer.server != reader.server:
            return Effect(False, "default", {"why": "effects across servers exist only when declared"})
        if pair in self.observed:
            return self.observed[pair]
        tool = self.tools.get(writer)
        if tool is None:  # a method such as resources/read: the protocol's reads
            return Effect(False, "default", {"why": "a read of the protocol"})
        if tool.annotations.get("readOnlyHint") is True:
            return Effect(False, "annotation", {"readOnlyHint": True})
        found, verb = verb_class(tool)
        if found is VerbClass.UNKNOWN:
            return Effect(True, "default", {"why": "nothing is known of this tool, so it may affect"})
        return Effect(found is VerbClass.WRITE, "verb", {"verb": verb})
