"""Read ``replay.toml``: every mistake in it is one line that names the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.normalize import RULES
from firefly_mcp.places import PlaceError, parse_place
from firefly_mcp.replay.faults import INTERNAL_ERROR, FaultKind, FaultRule
from firefly_mcp.replay.rules import FILE_NAME, NO_REPLAY_RULES, Entry, ReplayRules
from firefly_mcp.toml_rules import TableReader, read_toml
from firefly_mcp.types import MatchKind

_TOP = ("defaults", "tools", "faults")
MATCHING = ("ignore", "kinds", "off", "threshold", "highest", "side_effects")
STATE = ("affects", "affected_by", "stateless", "volatile")
FAULT = ("fault", "tool", "method", "probability", "every", "message", "code", "delay_ms")
_ONLY_FOR = {"code": FaultKind.ERROR, "delay_ms": FaultKind.DELAY}
_Word = TypeVar("_Word", bound=StrEnum)


def load_replay_rules(path: Path) -> ReplayRules:
    """Read a ``replay.toml``.

    Raises:
        ConfigError: missing, not TOML, or a key of it is wrong.
    """
    return parse_replay_rules(read_toml(path, "replay rules"), str(path))


def replay_rules_for(given: Path | None, store: Path, note: Callable[[str], None]) -> ReplayRules:
    """The rules of the file given, else of the ``replay.toml`` beside the recording, if there is one; the latter is noted.

    Raises:
        ConfigError: see :func:`load_replay_rules`.
    """
    if given is not None:
        return load_replay_rules(given)
    beside = store.parent / FILE_NAME
    if not beside.is_file():
        return NO_REPLAY_RULES
    note(f"rules: {beside}")
    return load_replay_rules(beside)


def parse_replay_rules(document: JsonObject, source: str) -> ReplayRules:
    """Check rules as they stand in a file.

    Args:
        document: the file's content.
        source: what an error names.

    Raises:
        ConfigError: see :func:`load_replay_rules`.
    """
    reader = _Reader(source)
    reader.known(document, _TOP, "")
    entries = []
    if "defaults" in document:
        entries.append(reader.entry("*", reader.table(document, "defaults", "defaults"), "defaults", MATCHING))
    tools = reader.table(document, "tools", "tools")
    for pattern in tools:
        where = f'tools."{pattern}"'
        server, slash, tool = pattern.partition("/")
        if not (server and slash and tool):
            raise reader.error(where, 'a tool is written "server/tool"; * stands for any text')
        entries.append(reader.entry(pattern, reader.table(tools, pattern, where), where, (*MATCHING, *STATE)))
    faults = document.get("faults", [])
    if not isinstance(faults, list) or not all(isinstance(table, dict) for table in faults):
        raise reader.error("faults", "expected tables: [[faults]], each with fault, and probability or every")
    return ReplayRules(
        tuple(entries), tuple(reader.fault(table, f"faults[{number}]") for number, table in enumerate(faults)), source
    )


class _Reader(TableReader):
    def table(self, document: JsonObject, key: str, where: str) -> JsonObject:
        value = document.get(key, {})
        if not isinstance(value, dict):
            raise self.error(where, "expected a table")
        return value

    def entry(self, pattern: str, table: JsonObject, where: str, names: tuple[str, ...]) -> Entry:
        self.known(table, names, f"{where}.")
        kinds = self.table(table, "kinds", f"{where}.kinds")
        off = self.texts(table, "off", where)
        words = {place: self.word(kinds, place, f"{where}.kinds", ArgumentKind) for place in kinds}
        for name in off:
            if name not in RULES:
                raise self.error(f"{where}.off", f"no such rule {name!r}; known are {', '.join(RULES)}")
        entry = Entry(
            pattern,
            ignore=tuple(self.pointer(place, f"{where}.ignore") for place in self.texts(table, "ignore", where)),
            kinds={self.pointer(place, f"{where}.kinds"): kind for place, kind in words.items()},
            off=off,
            threshold=self.number(table, "threshold", where, 0.0, 2.0),
            highest=self.word(table, "highest", where, MatchKind, without=MatchKind.MISS) if "highest" in table else None,
            side_effects=self.flag(table, "side_effects", where),
            affects=self.texts(table, "affects", where),
            affected_by=self.texts(table, "affected_by", where),
            stateless=self.flag(table, "stateless", where),
            volatile=self.flag(table, "volatile", where),
        )
        if entry.stateless and (entry.affects or entry.affected_by):
            raise self.error(f"{where}.stateless", "a stateless tool affects nothing and nothing affects it: drop one")
        return entry

    def fault(self, table: JsonObject, where: str) -> FaultRule:
        self.known(table, FAULT, f"{where}.")
        if "fault" not in table:
            raise self.error(where, f"says no fault; known are {', '.join(FaultKind)}")
        kind = self.word(table, "fault", where, FaultKind)
        if ("probability" in table) == ("every" in table):
            raise self.error(where, "give probability or every, one of them")
        for name, only in _ONLY_FOR.items():
            if name in table and kind is not only:
                raise self.error(f"{where}.{name}", f"is for {only} only")
        if "message" in table and kind not in (FaultKind.TOOL_ERROR, FaultKind.ERROR):
            raise self.error(f"{where}.message", "is for tool_error and error only")
        if kind is FaultKind.DELAY and "delay_ms" not in table:
            raise self.error(where, "a delay needs delay_ms")
        if "tool" in table and table.get("method", "tools/call") != "tools/call":
            raise self.error(f"{where}.tool", "only tools/call has a tool: give tool or method")
        if kind in (FaultKind.TOOL_ERROR, FaultKind.TRUNCATE, FaultKind.GARBAGE) and "method" in table:
            raise self.error(f"{where}.method", f"{kind} is for tools only")
        return FaultRule(
            kind,
            tool=self.text(table, "tool", where, "*"),
            method=self.text(table, "method", where, "tools/call"),
            probability=self.number(table, "probability", where, 0.0, 1.0),
            every=self.integer(table, "every", where, 1, 2**31),
            message=self.text(table, "message", where, ""),
            code=self.integer(table, "code", where, -(2**31), 2**31) or INTERNAL_ERROR,
            delay_ms=self.number(table, "delay_ms", where, 0.0, 3_600_000.0) or 0.0,
        )

    def pointer(self, place: str, where: str) -> str:
        try:
            if not place.startswith("/"):
                raise PlaceError(f"{place!r} is not a JSON pointer: it begins with '/' at the tool's arguments")
            parse_place(place)
        except PlaceError as error:
            raise self.error(where, str(error)) from error
        return place

    def texts(self, table: JsonObject, key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip("! ") for item in value):
            raise self.error(f"{where}.{key}", "expected a list of texts that are not empty")
        return tuple(dict.fromkeys(value))

    def text(self, table: JsonObject, key: str, where: str, default: str) -> str:
        value = table.get(key, default)
        if not isinstance(value, str) or (key in table and not value):
            raise self.error(f"{where}.{key}", "expected a text that is not empty")
        return value

    def flag(self, table: JsonObject, key: str, where: str) -> bool | None:
        value = table.get(key)
        if not isinstance(value, bool | None):
            raise self.error(f"{where}.{key}", "expected true or false")
        return value

    def number(self, table: JsonObject, key: str, where: str, least: float, most: float) -> float | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.error(f"{where}.{key}", f"expected a number from {least:g} to {most:g}")
        return float(value)

    def integer(self, table: JsonObject, key: str, where: str, least: int, most: int) -> int | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(f"{where}.{key}", f"expected an integer of at least {least}")
        return value

    def word(self, table: JsonObject, key: str, where: str, words: type[_Word], without: _Word | None = None) -> _Word:
        known = [word for word in words if word is not without]
        value = table[key]
        if value not in known:
            raise self.error(f"{where}.{key}", f"{value!r} is not one of {', '.join(known)}")
        return words(value)
