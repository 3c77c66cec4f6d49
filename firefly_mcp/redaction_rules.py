"""The rules that a user adds to redaction: ``redaction.toml``. The reference is ``docs/reference/redaction.md``.

Rules hold names, patterns and places, never a secret value: they are stored with each session, so that replay redacts a
request as the recording did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firefly_mcp.credentials import RULES, name_words
from firefly_mcp.errors import ConfigError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.places import PlaceError, parse_place
from firefly_mcp.secret_values import SHORTEST_INSIDE, SecretValues
from firefly_mcp.toml_rules import TableReader, read_toml

FILE_NAME = "redaction.toml"
OWN_RULES = ("config", "echo", "name", "key", "path", "environment")
"""Names of rules that are not patterns; with those of the built-in patterns they are taken."""
_PATTERN_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_METACHARACTER = re.compile(r"[\\.^$*+?{}\[\]|()]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KNOWN = ("keys", "keep", "environment", "patterns", "paths")
_KNOWN_IN_PATHS = ("server", "tool", "arguments", "result")


@dataclass(frozen=True, slots=True)
class PathRule:
    """Places whose values are replaced, in the calls of one tool; of any server or tool where that is None."""

    server: str | None
    tool: str | None
    arguments: tuple[str, ...] = ()
    result: tuple[str, ...] = ()

    def covers(self, server: str, tool: str | None) -> bool:
        """Whether the rule is for this tool."""
        return tool is not None and self.server in (None, server) and self.tool in (None, tool)


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What is redacted beside the built-in rules.

    Attributes:
        keys: names of arguments and fields that hide something, at any depth.
        keep: names that the built-in name rule leaves alone.
        environment: variables whose values are secrets.
        patterns: ``(rule name, regular expression)``; a group ``value`` alone is replaced where there is one.
        paths: places in the calls of certain tools.
    """

    keys: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()
    paths: tuple[PathRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.keep or self.environment or self.patterns or self.paths)

    def values(self, variables: Mapping[str, str]) -> list[str]:
        """The secret values that the environment supplies now; a variable that is not set supplies none."""
        return [variables[name] for name in self.environment if variables.get(name, "").strip()]

    def missing(self, variables: Mapping[str, str]) -> list[str]:
        """The variables that are named and not set."""
        return [name for name in self.environment if not variables.get(name, "").strip()]

    def to_json(self) -> JsonObject:
        """The rules as they are stored; what is empty is left out."""
        paths = [
            {
                key: list(value) if isinstance(value, tuple) else value
                for key in _KNOWN_IN_PATHS
                if (value := getattr(rule, key))
            }
            for rule in self.paths
        ]
        lists = {"keys": list(self.keys), "keep": list(self.keep), "environment": list(self.environment)}
        document: JsonObject = {**lists, "patterns": dict(self.patterns), "paths": paths}
        return {key: value for key, value in document.items() if value}

    def union(self, other: RedactionRules) -> RedactionRules:
        """Both rules' entries, each once."""
        return RedactionRules(
            *(tuple(dict.fromkeys((*getattr(self, key), *getattr(other, key)))) for key in RedactionRules.__dataclass_fields__)
        )


NO_RULES = RedactionRules()


def load_rules(path: Path) -> RedactionRules:
    """Read a ``redaction.toml``.

    Raises:
        ConfigError: missing, not TOML, or a key of it is wrong; one line that names the file and the key.
    """
    return parse_rules(read_toml(path, "redaction rules"), str(path))


def rules_for(given: Path | None, config: Path | None, secrets: Iterable[str], variables: Mapping[str, str]) -> RedactionRules:
    """The rules to record with: of the file given, else of the one beside the servers file or in the working folder.

    Args:
        given: the file that was asked for.
        config: the servers file.
        secrets: values that must not be stored, and so not be in the rules.
        variables: where the values of ``environment`` must be: one that is not set would not be redacted.

    Raises:
        ConfigError: see :func:`load_rules`; or a variable is not set; or the rules hold a secret.
    """
    folders = [Path()] if config is None else [config.parent, Path()]
    path = given or next((found for folder in folders if (found := folder / FILE_NAME).is_file()), None)
    if path is None:
        return NO_RULES
    rules = load_rules(path)
    missing = rules.missing(variables)
    if missing:
        raise ConfigError(f"{path}: environment: the variable {missing[0]} is not set, so its value could not be redacted")
    hidden = [value for value in (*secrets, *rules.values(variables)) if len(value) >= SHORTEST_INSIDE]
    if SecretValues("config", hidden).may_be_in(dumps(rules.to_json())):
        raise ConfigError(f"{path}: holds a secret value of the servers or the environment, and rules are stored: take it out")
    return rules


def parse_rules(document: JsonObject, source: str) -> RedactionRules:
    """Check rules as they stand in a file or in a recording.

    Args:
        document: the file's content.
        source: what an error names.

    Raises:
        ConfigError: see :func:`load_rules`.
    """
    reader = _Reader(source)
    reader.known(document, _KNOWN, "")
    keys, keep = (reader.texts(document, name, name) for name in ("keys", "keep"))
    for name, names in (("keys", keys), ("keep", keep)):
        for entry in names:
            if not name_words(entry):
                raise reader.error(name, f"{entry!r} has no letter or digit in it")
    both = {name_words(entry) for entry in keys} & {name_words(entry) for entry in keep}
    if both:
        twice = next(entry for entry in keep if name_words(entry) in both)
        raise reader.error("keep", f"{twice!r} is also in keys")
    environment = reader.texts(document, "environment", "environment")
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise reader.error("environment", f"{name!r} is not the name of a variable (values do not belong here)")
    return RedactionRules(keys, keep, environment, tuple(reader.patterns(document)), tuple(reader.paths(document)))


class _Reader(TableReader):
    def texts(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.error(where, "expected a list of texts that are not empty")
        return tuple(dict.fromkeys(value))

    def patterns(self, document: JsonObject) -> Iterator[tuple[str, str]]:
        table = document.get("patterns", {})
        if not isinstance(table, dict):
            raise self.error("patterns", "expected a table: [patterns], then NAME = 'REGEX' lines")
        taken = {*OWN_RULES, *(rule.name for rule in RULES)}
        for name, pattern in table.items():
            where = f"patterns.{name}"
            if not _PATTERN_NAME.fullmatch(name):
                raise self.error(where, "a name is made of small letters, digits and '-', at most 40, and begins with a letter")
            if name in taken:
                raise self.error(where, "a built-in rule has this name; choose another")
            if not isinstance(pattern, str):
                raise self.error(where, "expected a text that holds a regular expression")
            try:
                compiled = re.compile(pattern)
            except re.error as error:
                raise self.error(where, f"not a regular expression: {error}") from error
            if compiled.match("") is not None:
                raise self.error(where, "matches the empty text, and so everywhere")
            if not _METACHARACTER.search(pattern):
                raise self.error(where, "is a plain text, and patterns are stored: put it into a variable named in environment")
            yield name, pattern

    def paths(self, document: JsonObject) -> Iterator[PathRule]:
        entries = document.get("paths", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self.error("paths", "expected tables: [[paths]], each with arguments or result")
        for number, entry in enumerate(entries):
            where = f"paths[{number}]"
            self.known(entry, _KNOWN_IN_PATHS, f"{where}.")
            for key in ("server", "tool"):
                if key in entry and not (isinstance(entry[key], str) and entry[key]):
                    raise self.error(f"{where}.{key}", "expected a text that is not empty")
            places = {key: self.texts(entry, key, f"{where}.{key}") for key in ("arguments", "result")}
            if not any(places.values()):
                raise self.error(where, "names no place; give arguments or result")
            for key, listed in places.items():
                for place in listed:
                    try:
                        parse_place(place)
                    except PlaceError as error:
                        raise self.error(f"{where}.{key}", str(error)) from error
            yield PathRule(entry.get("server"), entry.get("tool"), **places)
