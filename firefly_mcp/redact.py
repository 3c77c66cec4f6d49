"""Redaction before the first byte is written: nothing that is a credential reaches a recording.

Three sources: names that carry credentials (at any depth), well-known token forms, and the secret values given; and the rules
that a user adds to them (:mod:`firefly_mcp.redaction_rules`). Each find is replaced by ``[redacted:RULE]``. Redacting twice
changes nothing, and the same object is returned when nothing was found.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from firefly_mcp.credentials import (
    NAME_HINTS,
    RULES,
    Rule,
    credential_name,
    credential_value,
    looks_random,
    name_before,
    name_words,
)
from firefly_mcp.json_text import changed_json_text
from firefly_mcp.jsonio import JSON, JsonObject, dumps
from firefly_mcp.places import parse_place, replaced
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.secret_values import MARKER, SecretValues
from firefly_mcp.user_patterns import UserPattern, key_pattern


def _any_of(hints: Iterable[bytes]) -> re.Pattern[bytes]:
    """One search in place of one for each hint."""
    return re.compile(b"|".join(re.escape(hint) for hint in sorted(hints)))


_HINT = _any_of({hint for rule in RULES for hint in rule.hints})
_NAME_HINT = _any_of(NAME_HINTS)
_ANY_HINT = _any_of({*NAME_HINTS, *(hint for rule in RULES for hint in rule.hints)})
_ECHOES_KEPT = 200
_SHORTEST_ECHO = 6
"""What a user's rule hides is taken out of the rest of the same message from this length on."""


class _Name(NamedTuple):
    """The name below which a walk is; ``ours`` if it is one of the user's ``keys``."""

    name: str
    ours: bool


class Redactor:
    """Applies one set of rules. Cheap for clean values: one encoding and a few substring searches.

    A credential that stood under its name in an argument, or what a user's rule hid, is remembered, and taken out of what the
    server answers, so that an echo does not bring it into the recording. Arguments are redacted without that memory: what a
    call is recorded as depends on the call alone, and replay finds it again.
    """

    def __init__(
        self, secrets: Iterable[str] = (), *, rules: RedactionRules = NO_RULES, variables: Mapping[str, str] = os.environ
    ) -> None:
        """Take the secret values that are known beforehand; blank ones are passed over.

        Args:
            secrets: values of the configuration.
            rules: what a user adds.
            variables: where the values of ``rules.environment`` are.
        """
        self.counts: Counter[str] = Counter()
        self.rules = rules
        given = (SecretValues("config", secrets), SecretValues("environment", rules.values(variables)))
        self._given = [values for values in given if values.whole]
        self._echoes: list[str] = []
        self._memory = SecretValues("echo")
        self._keys = {name_words(key) for key in rules.keys}
        self._keep = {name_words(key) for key in rules.keep}
        self._patterns = [UserPattern(name, re.compile(pattern)) for name, pattern in rules.patterns]
        self._in_prose = [UserPattern("key", key_pattern(words)) for words in sorted(self._keys)]

    def params(self, params: JsonObject | None, *, server: str = "", tool: str | None = None) -> JsonObject | None:
        """A request's params, redacted: arguments under a credential's name, token forms and secrets.

        ``server`` and ``tool`` choose the user's ``paths``; ``tool`` is None for what is no ``tools/call``.
        """
        if not params:
            return params
        found: list[str] = []
        value = params
        for rule in self.rules.paths:
            if rule.arguments and rule.covers(server, tool) and "arguments" in params:
                arguments = self._at_places(value["arguments"], rule.arguments, found)
                value = value if arguments is value["arguments"] else {**value, "arguments": arguments}
        redacted: JsonObject = self._redact(value, request=True, found=found)
        return redacted

    def passes(self, data: bytes) -> bool:
        """Whether one look at a request, still encoded, shows that :meth:`params` would find nothing in it."""
        if self.rules.paths or self._keys or self._patterns or b"\\" in data:  # an escape may hide what a plain look would see
            return False
        data = data[max(0, data.find(b'"params"')) :]
        return _ANY_HINT.search(data.lower()) is None and not any(source.may_be_in(data) for source in self._given)

    def result(self, result: JSON, *, server: str = "", tool: str | None = None) -> JSON:
        """A result, error or any other message of a server, redacted.

        Under a credential's name only values that look like one are replaced: a schema's ``"password": "string"`` stays.
        """
        found: list[str] = []
        for rule in self.rules.paths:
            if rule.result and rule.covers(server, tool) and isinstance(result, dict):
                result = self._in_result(result, rule.result, found)
        return self._redact(result, request=False, found=found)

    def definitions(self, tools: JSON) -> JSON:
        """Tool definitions, redacted; the user's ``keys`` and ``paths`` are about values, and leave schemas alone."""
        return self._redact(tools, request=False, found=[], ours=False)

    def values(self, value: JSON) -> JSON:
        """Any JSON, redacted by token forms and secrets alone; names count for nothing."""
        return self._clean(value, self._given, self._patterns)

    def _redact(self, value: JSON, *, request: bool, found: list[str], ours: bool = True) -> JSON:
        keyed = ours and bool(self._keys)
        if not (keyed or found or self._patterns) and self._nothing_in(value, request):
            return value
        if keyed or _NAME_HINT.search(dumps(value).lower()):
            value = self._by_name(value, request, keyed, None, found)
        sources = self._given if request else [*self._given, self._memory]
        if found:
            sources = [*sources, SecretValues("echo", found)]
            # A plain word would be taken out of answers that have nothing to do with it.
            self._remember([spelled for spelled in found if not spelled.isalpha() or looks_random("", spelled)])
        return self._clean(value, sources, [*self._in_prose, *self._patterns] if keyed else self._patterns)

    def _nothing_in(self, value: JSON, request: bool) -> bool:
        """Whether one look shows that there is nothing to redact, as in most messages."""
        data = dumps(value)
        if _ANY_HINT.search(data.lower()):
            return False
        return not any(source.may_be_in(data) for source in self._given) and (request or not self._memory.may_be_in(data))

    def _remember(self, found: list[str]) -> None:
        new = [value for value in found if value not in self._echoes]
        if new:
            self._echoes = (self._echoes + new)[-_ECHOES_KEPT:]
            self._memory = SecretValues("echo", self._echoes)

    def _at_places(self, value: JSON, places: Iterable[str], found: list[str]) -> JSON:
        for place in places:
            for steps in parse_place(place)(value):
                value = replaced(value, steps, lambda old: self._hide(old, "path", found))
        return value

    def _in_result(self, result: JsonObject, places: Sequence[str], found: list[str]) -> JsonObject:
        """Places begin where the paths of tasks do: at ``structuredContent``, and at the JSON inside each text."""
        out = dict(result)
        if "structuredContent" in result:
            out["structuredContent"] = self._at_places(result["structuredContent"], places, found)
        content = result.get("content")
        if isinstance(content, list):
            out["content"] = _same(content, [self._in_part(part, places, found) for part in content])
        return result if all(out[key] is item for key, item in result.items()) else out

    def _in_part(self, part: JSON, places: Sequence[str], found: list[str]) -> JSON:
        if not (isinstance(part, dict) and isinstance(part.get("text"), str)):
            return part
        text = changed_json_text(part["text"], lambda inner: self._at_places(inner, places, found))
        return part if text == part["text"] else {**part, "text": text}

    def _hide(self, value: JSON, rule: str, found: list[str]) -> JSON:
        """What a user's rule replaces: anything that says something. What it held is looked for in the rest of the message."""
        if value in (None, "", [], {}) or (isinstance(value, str) and MARKER.fullmatch(value)):
            return value
        found += [spelled for spelled in _spelled(value) if len(spelled) >= _SHORTEST_ECHO and not MARKER.search(spelled)]
        return self._mark(rule)

    def _by_name(self, value: Any, request: bool, keyed: bool, under: _Name | None, found: list[str]) -> Any:
        """Replace what stands under a credential's name, or under one of the user's; ``under`` is the nearest such name."""
        if isinstance(value, dict):
            # A server's object below a credential's name is a schema or a description more often than a credential.
            inherited = under if request or (under and under.ours) else None
            out = {
                key: self._by_name(item, request, keyed, self._named(key, keyed) or inherited, found)
                for key, item in value.items()
            }
            return value if all(out[key] is item for key, item in value.items()) else out
        if isinstance(value, list):
            return _same(value, [self._by_name(item, request, keyed, under, found) for item in value])
        if under is not None and under.ours:
            return self._hide(value, "key", found)
        if under is None or value is None or isinstance(value, bool):
            return self._in_json_text(value, request, found) if keyed and isinstance(value, str) else value
        spelled = value if isinstance(value, str) else str(value)
        fits = credential_value if request else looks_random
        if MARKER.search(spelled) or not fits(under.name, spelled):
            return value
        if looks_random(under.name, spelled):
            found.append(spelled)
        return self._mark("name")

    def _in_json_text(self, value: str, request: bool, found: list[str]) -> str:
        return changed_json_text(value, lambda inner: self._by_name(inner, request, True, None, found))

    def _named(self, name: str, keyed: bool) -> _Name | None:
        words = name_words(name)
        if keyed and words in self._keys:
            return _Name(name, True)
        return _Name(name, False) if credential_name(name) and words not in self._keep else None

    def _clean(self, value: JSON, sources: Sequence[SecretValues], patterns: Sequence[UserPattern]) -> JSON:
        data = dumps(value)
        lowered = data.lower()
        rules = [rule for rule in RULES if any(hint in lowered for hint in rule.hints)] if _HINT.search(lowered) else []
        sources = [source for source in sources if source.may_be_in(data)]
        return self._walk(value, sources, rules, patterns) if rules or sources or patterns else value

    def _walk(self, value: Any, sources: Sequence[SecretValues], rules: Sequence[Rule], patterns: Sequence[UserPattern]) -> Any:
        if isinstance(value, str):
            return self._text(value, sources, rules, patterns)
        if isinstance(value, dict):
            out = {
                self._text(key, sources, rules, patterns): self._walk(item, sources, rules, patterns)
                for key, item in value.items()
            }
            return value if all(key in out and out[key] is item for key, item in value.items()) else out
        if isinstance(value, list):
            return _same(value, [self._walk(item, sources, rules, patterns) for item in value])
        if isinstance(value, int | float) and not isinstance(value, bool):
            for source in sources:
                if str(value) in source.whole:
                    return self._mark(source.rule)
        return value

    def _text(self, value: str, sources: Sequence[SecretValues], rules: Sequence[Rule], patterns: Sequence[UserPattern]) -> str:
        out = value
        for source in sources:
            out = source.replace(out, self._mark)
        for rule in rules:
            if rule.pattern.search(out):
                out = rule.pattern.sub(lambda found, name=rule.name: self._found(found, name), out)  # type: ignore[misc]
        for pattern in patterns:
            out = pattern.replace(out, self._mark)
        return value if out == value else out

    def _found(self, found: re.Match[str], rule: str) -> str:
        if "value" not in found.re.groupindex:
            return self._mark(rule)
        if rule == "named-value":
            name = name_before(found)
            if not credential_name(name) or name_words(name) in self._keep:
                return found[0]
        start, end = found.span("value")
        return found[0][: start - found.start()] + self._mark(rule) + found[0][end - found.start() :]

    def _mark(self, rule: str) -> str:
        self.counts[rule] += 1
        return f"[redacted:{rule}]"


def _spelled(value: JSON) -> list[str]:
    """The scalars inside ``value`` as texts, switches and null left out."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in _spelled(item)]
    if isinstance(value, list):
        return [text for item in value for text in _spelled(item)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _same(before: list[Any], after: list[Any]) -> list[Any]:
    return before if all(a is b for a, b in zip(before, after, strict=True)) else after
