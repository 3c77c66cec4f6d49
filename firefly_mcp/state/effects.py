"""The effect relation: may a call of tool W change what tool X answers afterwards, and how do we know?

Evidence, strongest first: the user's ``replay.toml``; an observed difference; observed equality (or a probe made on
purpose); annotations; the verb. One observed difference outranks any annotation. Effects across servers exist only when
declared. A tool whose answer differs although nothing happened in between is *volatile*.

Readers are tools, and the protocol's own reads (``resources/read``, ``prompts/get``, …), which a tool may affect as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.state.verbs import VerbClass, clears, keeps_account, observes, verb_class
from firefly_mcp.types import Tool, ToolKey

Pair = tuple[ToolKey, ToolKey]
"""``(writer, reader)``, both of one server unless declared."""

PROTOCOL_READS = frozenset(
    """completion/complete initialize logging/setLevel ping prompts/get prompts/list resources/list resources/read
    resources/subscribe resources/templates/list resources/unsubscribe roots/list server/discover
    subscriptions/listen tools/list""".split()
)
"""Requests of the protocol that change nothing of what a server answers."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether a writer may affect a reader, and the evidence for it.

    ``source`` is ``declared``, ``observed``, ``equality``, ``annotation``, ``verb`` or ``default``.
    """

    affects: bool
    source: str
    evidence: JsonObject = field(default_factory=dict)

    @property
    def evident(self) -> bool:
        """Whether it was observed or declared, and not only presumed."""
        return self.source in ("observed", "declared")


_ACROSS = Effect(False, "default", {"why": "effects across servers exist only when declared"})
_STATELESS = Effect(False, "declared", {"why": "the server's configuration says that it is stateless"})
_PROTOCOL = Effect(False, "default", {"why": "a read of the protocol"})
_NOTHING_KNOWN = Effect(True, "default", {"why": "nothing is known of this tool, so it may affect"})


class EffectRelation:
    """The relation over all tools of a recording.

    What is known of a pair itself is looked up; anything else follows from the writer (and from whether the reader keeps
    account of calls), so that a thousand tools cost a thousand decisions and not a million.
    """

    def __init__(
        self,
        tools: Mapping[ToolKey, Tool],
        *,
        observed: Mapping[Pair, Effect] | None = None,
        declared: Mapping[Pair, Effect] | None = None,
        volatile: Iterable[ToolKey] = (),
        stateless: Iterable[str] = (),
    ) -> None:
        """Combine the evidence; :func:`firefly_mcp.state.learn.learn_effects` reads it out of a recording.

        Args:
            tools: the tools, by key.
            observed: what was seen of pairs.
            declared: what the user says of pairs.
            volatile: tools that answer otherwise by themselves.
            stateless: servers of which the user says that no call changes anything.
        """
        self.tools = dict(tools)
        self.observed = dict(observed or {})
        self.declared = dict(declared or {})
        self.volatile = frozenset(volatile)
        self.stateless_servers = frozenset(stateless)
        self._known: dict[Pair, Effect] = {**self.observed, **self.declared}
        self._by_writer: dict[ToolKey, dict[ToolKey, Effect]] = defaultdict(dict)
        self._by_reader: dict[ToolKey, dict[ToolKey, Effect]] = defaultdict(dict)
        for (writer, reader), effect in self._known.items():
            if writer.server not in self.stateless_servers or (writer, reader) in self.declared:
                self._by_writer[writer][reader] = effect
                self._by_reader[reader][writer] = effect
        self._of_server: dict[str, list[ToolKey]] = {}
        for key in self.tools:
            self._of_server.setdefault(key.server, []).append(key)
        self._hinted = {tool.server for tool in self.tools.values() if tool.annotations.get("readOnlyHint") is True}
        self._cleared = {tool.server for tool in self.tools.values() if clears(tool)}
        self._realms = _realms(pair for pair, effect in self.declared.items() if effect.affects)
        self._presumed: dict[ToolKey, Effect] = {}
        self._accounts: dict[ToolKey, bool] = {}
        self._affecting: dict[ToolKey, frozenset[ToolKey]] = {}
        self._ordered: dict[ToolKey, frozenset[ToolKey]] = {}
        self._sets: dict[frozenset[ToolKey], frozenset[ToolKey]] = {}
        self._writes: dict[ToolKey, bool] = {}

    def effect(self, writer: ToolKey, reader: ToolKey) -> Effect:
        """What is known of ``writer`` affecting ``reader``."""
        declared = self.declared.get((writer, reader))
        if declared is not None:
            return declared
        if writer.server != reader.server:
            return _ACROSS
        if writer.server in self.stateless_servers:
            return _STATELESS
        observed = self.observed.get((writer, reader))
        if observed is not None:
            return observed
        presumed = self.presumed(writer)
        if not presumed.affects and presumed.source == "verb" and self._keeps_account(reader) and writer != reader:
            return Effect(True, "verb", {**presumed.evidence, "why": "the reader keeps account of calls"})
        return presumed

    def presumed(self, writer: ToolKey) -> Effect:
        """What is thought of a writer for which nothing was observed or declared: its annotations, its words."""
        known = self._presumed.get(writer)
        if known is None:
            known = self._presumed[writer] = self._presume(writer)
        return known

    def may_affect(self, writer: ToolKey, reader: ToolKey) -> bool:
        """Whether a successful call of ``writer`` may change what ``reader`` answers."""
        return self.effect(writer, reader).affects

    def in_order(self, one: ToolKey, other: ToolKey) -> bool:
        """Whether it may matter which of two calls came first.

        It does when either may affect the other. Equal answers do not show that it does not: two writes of one value may both
        answer "done", and what stays is the later one.
        """
        effects = (self.effect(one, other), self.effect(other, one))
        return any(effect.affects or effect.source == "equality" for effect in effects)

    def affecting(self, reader: ToolKey) -> frozenset[ToolKey]:
        """The listed tools that may change what a reader answers; the same set for all readers that have the same."""
        known = self._affecting.get(reader)
        if known is None:
            candidates = {*self._of_server.get(reader.server, ()), *self._by_reader.get(reader, ())}
            known = self._shared(key for key in candidates if self.may_affect(key, reader))
            self._affecting[reader] = known
        return known

    def ordered_with(self, key: ToolKey) -> frozenset[ToolKey]:
        """The listed tools of whose calls the order to a call of ``key`` may matter, see :meth:`in_order`."""
        known = self._ordered.get(key)
        if known is None:
            joined = [other for server in self.realm(key.server) for other in self._of_server.get(server, ())]
            known = self._shared(other for other in joined if self.in_order(other, key))
            self._ordered[key] = known
        return known

    def _shared(self, keys: Iterable[ToolKey]) -> frozenset[ToolKey]:
        found = frozenset(keys)
        return self._sets.setdefault(found, found)

    def writes(self, key: ToolKey) -> bool:
        """Whether anything may be affected by this tool (or by this method of the protocol)."""
        known = self._writes.get(key)
        if known is None:
            known = self._writes[key] = self._may_write(key)
        return known

    def reads_state(self, key: ToolKey) -> bool:
        """Whether anything may affect what this tool answers; if not, replay is plain look-up in any order."""
        # Of a server whose tools nobody has listed, nothing is known.
        return bool(self.affecting(key)) or (key.server not in self._of_server and key.server not in self.stateless_servers)

    def lists(self, server: str) -> bool:
        """Whether the server's tools are known, so that any other name is none of them."""
        return server in self._of_server

    def stateless(self, server: str) -> bool:
        """Whether no tool of the server may affect any other."""
        return not any(self.writes(key) for key in self._of_server.get(server, ()))

    def realm(self, server: str) -> tuple[str, ...]:
        """The servers whose calls make one history with this one's: those between which effects are declared, and itself."""
        return self._realms.get(server, (server,))

    def pairs(self, server: str | None = None) -> list[tuple[ToolKey, ToolKey, Effect]]:
        """Every pair in which an effect is possible or was disproved by observation or declaration, for display."""
        found: dict[Pair, Effect] = {}
        for writer in self.tools:
            if server is not None and writer.server != server:
                continue
            readers = (
                {*self._of_server.get(writer.server, ()), *self._by_writer.get(writer, ())} if self.writes(writer) else set()
            )
            for reader in sorted(readers | set(self._by_writer.get(writer, ()))):
                effect = self.effect(writer, reader)
                if effect.affects or effect.source in ("declared", "observed", "equality"):
                    found[(writer, reader)] = effect
        return [(writer, reader, effect) for (writer, reader), effect in found.items()]

    def _may_write(self, key: ToolKey) -> bool:
        if any(effect.affects for effect in self._by_writer.get(key, {}).values()):
            return True
        if key.server in self.stateless_servers:
            return False
        presumed = self.presumed(key)
        if presumed.affects:
            known = self._by_writer.get(key, {})
            # Also a reader that nobody has listed (a resource) may be affected, unless each known one is known not to be.
            return not known or any(reader not in known for reader in self._of_server.get(key.server, ()))
        return presumed.source == "verb" and any(
            self.effect(key, other).affects for other in self._of_server.get(key.server, ()) if self._keeps_account(other)
        )

    def _keeps_account(self, key: ToolKey) -> bool:
        known = self._accounts.get(key)
        if known is None:
            tool = self.tools.get(key)
            known = self._accounts[key] = tool is not None and keeps_account(tool)
        return known

    def _presume(self, writer: ToolKey) -> Effect:
        tool = self.tools.get(writer)
        if tool is None:  # a method of the protocol, or a tool that was called and never listed
            return _PROTOCOL if writer.tool in PROTOCOL_READS else _NOTHING_KNOWN
        hint = tool.annotations.get("readOnlyHint")
        if hint is True:
            return Effect(False, "annotation", {"readOnlyHint": True})
        if hint is False and tool.server in self._hinted:  # where every tool says so, it is nobody's opinion
            return Effect(True, "annotation", {"readOnlyHint": False})
        found, verb = verb_class(tool)
        if found is VerbClass.UNKNOWN:
            if not verb:
                return _NOTHING_KNOWN
            return Effect(True, "default", {"why": f"it may affect: {verb}"})
        if found is VerbClass.READ and tool.server in self._cleared and not observes(tool):
            return Effect(True, "default", {"why": f"it may affect: {verb}, on a server that has something to clear"})
        return Effect(found is VerbClass.WRITE, "verb", {"verb": verb})


def _realms(pairs: Iterable[Pair]) -> dict[str, tuple[str, ...]]:
    """Servers that declared effects join, each with all that it is joined to."""
    joined: dict[str, set[str]] = {}
    for writer, reader in pairs:
        if writer.server != reader.server:
            together = joined.get(writer.server, {writer.server}) | joined.get(reader.server, {reader.server})
            joined.update(dict.fromkeys(together, together))
    return {server: tuple(sorted(together)) for server, together in joined.items()}
