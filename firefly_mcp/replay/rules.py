"""The user's rules for replay: ``replay.toml``. The reference is ``docs/reference/replay-rules.md``.

A tool gets the entries of ``[defaults]`` and of every ``[tools.PATTERN]`` that fits it, in the order of the file. Lists add up;
of a single value the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import ConfigError
from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.match.rules import ToolRules
from firefly_mcp.replay.faults import FaultRule
from firefly_mcp.state.effects import Effect, Pair
from firefly_mcp.types import MatchKind, ToolKey

__all__ = ["NO_REPLAY_RULES", "Entry", "ReplayRules", "ToolRules"]

FILE_NAME = "replay.toml"
_LADDER = list(MatchKind)


@dataclass(frozen=True)
class Entry:
    """One table of the file: what it says of the tools that its pattern fits. None where it says nothing."""

    pattern: str = "*"
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, ArgumentKind] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    threshold: float | None = None
    highest: MatchKind | None = None
    side_effects: bool | None = None
    affects: tuple[str, ...] = ()
    affected_by: tuple[str, ...] = ()
    stateless: bool | None = None
    volatile: bool | None = None

    def fits(self, key: ToolKey) -> bool:
        """Whether the entry is for this tool."""
        return fnmatchcase(str(key), self.pattern)


@dataclass(frozen=True)
class ReplayRules:
    """Everything that a ``replay.toml`` says.

    Attributes:
        entries: ``[defaults]`` and the tables of ``[tools]``, in order.
        faults: what is done to answers on purpose.
        source: the file, for errors; empty when there is none.
    """

    entries: tuple[Entry, ...] = ()
    faults: tuple[FaultRule, ...] = ()
    source: str = ""
    _tools: dict[ToolKey, ToolRules] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides how calls are found; faults are laid over that, and do not count."""
        return hash_json([_told(entry) for entry in self.entries])

    def tool(self, key: ToolKey) -> ToolRules:
        """How calls of this tool are compared."""
        rules = self._tools.get(key)
        if rules is None:
            rules = self._tools[key] = self._merged(key)
        return rules

    def allows(self, key: ToolKey, kind: MatchKind) -> bool:
        """Whether an answer of this kind may be served for this tool."""
        highest = self.tool(key).highest
        return highest is None or _LADDER.index(kind) <= _LADDER.index(highest)

    def forms_digest(self, key: ToolKey) -> str:
        """Hash of what decides the hashes of the tool's calls: rules that differ only in how far they go have the same."""
        rules = self.tool(key)
        kinds = {place: str(kind) for place, kind in rules.kinds.items()}
        return hash_json({"ignore": sorted(rules.ignore), "kinds": kinds, "off": sorted(rules.off)})

    def side_effects(self, key: ToolKey) -> bool:
        """Whether calls of this tool do something in the world, so that none may be answered by likeness or be repeated."""
        return bool(self._last(key, "side_effects"))

    def declared(self, tools: Iterable[ToolKey]) -> dict[Pair, Effect]:
        """The effects that the file declares or denies, over the tools of a recording, across servers too."""
        keys = list(tools)
        found: dict[Pair, Effect] = {}
        for key in keys:
            if self._last(key, "stateless"):
                said = Effect(False, "declared", {"why": f"{self.source}: {key} is stateless"})
                for other in keys:
                    if other.server == key.server:
                        found[(key, other)] = found[(other, key)] = said
        for entry in self.entries:
            for key in filter(entry.fits, keys):
                for word in entry.affects:
                    found |= {(key, other): self._said(word, key, "affects") for other in _meant(word, key, keys)}
                for word in entry.affected_by:
                    found |= {(other, key): self._said(word, key, "affected_by") for other in _meant(word, key, keys)}
        return found

    def volatile(self, tools: Iterable[ToolKey]) -> dict[ToolKey, bool]:
        """The tools of which the file says whether they answer otherwise although nothing happened."""
        said = {key: self._last(key, "volatile") for key in tools}
        return {key: bool(value) for key, value in said.items() if value is not None}

    def check(self, tools: Iterable[ToolKey], where: str) -> None:
        """Refuse patterns that fit nothing.

        Args:
            tools: the tools of the recording.
            where: the recording, as the error names it.

        Raises:
            ConfigError: a table, an effect or a fault names a tool that is not there.
        """
        keys = list(tools)
        for entry in self.entries:
            fitting = [key for key in keys if entry.fits(key)]
            if not fitting and entry.pattern != "*":
                raise self._unknown(f'tools."{entry.pattern}"', entry.pattern, where)
            for name in ("affects", "affected_by"):
                for word in getattr(entry, name):
                    if not any(_meant(word, key, keys) for key in fitting):
                        raise self._unknown(f'tools."{entry.pattern}".{name}', word.removeprefix("!"), where)
        for number, fault in enumerate(self.faults):
            if fault.method == "tools/call" and not any(fnmatchcase(str(key), fault.tool) for key in keys):
                raise self._unknown(f"faults[{number}].tool", fault.tool, where)

    def _unknown(self, place: str, pattern: str, where: str) -> ConfigError:
        return ConfigError(f"{self.source}: {place}: {pattern!r} fits no tool of {where} (see firefly tools)")

    def _said(self, word: str, key: ToolKey, name: str) -> Effect:
        return Effect(not word.startswith("!"), "declared", {"why": f"{self.source}: {key} {name} {word}"})

    def _last(self, key: ToolKey, name: str) -> object:
        told = [getattr(entry, name) for entry in self.entries if entry.fits(key)]
        return next((value for value in reversed(told) if value is not None), None)

    def _merged(self, key: ToolKey) -> ToolRules:
        fitting = [entry for entry in self.entries if entry.fits(key)]
        highest, threshold = self._last(key, "highest"), self._last(key, "threshold")
        bounds = [MatchKind(str(highest))] if highest is not None else []
        if self.side_effects(key):
            bounds.append(MatchKind.NORMALIZED)
        return ToolRules(
            ignore=frozenset(place for entry in fitting for place in entry.ignore),
            kinds={place: kind for entry in fitting for place, kind in entry.kinds.items()},
            off=frozenset(name for entry in fitting for name in entry.off),
            threshold=threshold if isinstance(threshold, float) else None,
            highest=min(bounds, key=_LADDER.index, default=None),
        )


def _meant(word: str, key: ToolKey, keys: Iterable[ToolKey]) -> list[ToolKey]:
    """The tools that a word of ``affects`` means: ``tool`` of the same server, or ``server/tool``; ``!`` denies."""
    pattern = word.removeprefix("!")
    if "/" not in pattern:
        return [other for other in keys if other.server == key.server and fnmatchcase(other.tool, pattern)]
    return [other for other in keys if fnmatchcase(str(other), pattern)]


def _told(entry: Entry) -> dict[str, object]:
    told = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    told["kinds"] = {place: str(kind) for place, kind in entry.kinds.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items() if value}


NO_REPLAY_RULES = ReplayRules()
