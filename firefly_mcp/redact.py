"""Redaction before the first byte is written: nothing that is a credential reaches a recording.

Three sources: names that carry credentials (at any depth), well-known token forms, and the secret values given. Each find is
replaced by ``[redacted:RULE]``. Redacting twice changes nothing, and the same object is returned when nothing was found.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from firefly_mcp.credentials import NAME_HINTS, RULES, Rule, credential_name, credential_value, looks_random, name_before
from firefly_mcp.jsonio import JSON, JsonObject, dumps

MARKER = re.compile(r"\[redacted:[a-z-]+\]")
_SHORTEST_INSIDE = 4
"""A shorter secret is replaced only where it is the whole text: inside others it would be everywhere."""
_HINTS = tuple({hint: None for rule in RULES for hint in rule.hints})
_ECHOES_KEPT = 200
_LEVELS = 3
"""How often a text may be JSON inside a JSON text and still have its secrets found in escaped form."""


class Redactor:
    """Applies one set of rules. Cheap for clean values: one encoding and a few substring searches.

    A credential that stood under its name in an argument is remembered, and taken out of what the server answers, so that an
    echo does not bring it into the recording. Arguments are redacted without that memory: what a call is recorded as depends
    on the call alone, and replay finds it again.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secret values that are known beforehand; blank ones are passed over."""
        self.counts: Counter[str] = Counter()
        self._given = _Values("config", secrets)
        self._echoes: list[str] = []
        self._memory = _Values("echo")

    def params(self, params: JsonObject | None) -> JsonObject | None:
        """A request's params, redacted: arguments under a credential's name, token forms and secrets."""
        if not params:
            return params
        redacted: JsonObject = self._redact(params, request=True)
        return redacted

    def result(self, result: JSON) -> JSON:
        """A result, error or any other message of a server, redacted.

        Under a credential's name only values that look like one are replaced: a schema's ``"password": "string"`` stays.
        """
        return self._redact(result, request=False)

    def values(self, value: JSON) -> JSON:
        """Any JSON, redacted by token forms and secrets alone; names count for nothing."""
        return self._clean(value, (self._given,))

    def _redact(self, value: JSON, *, request: bool) -> JSON:
        found: list[str] = []
        lowered = dumps(value).lower()
        if any(hint in lowered for hint in NAME_HINTS):
            value = self._by_name(value, request, None, found)
        sources = [self._given] if request else [self._given, self._memory]
        if found:
            sources.append(_Values("echo", found))
            self._remember(found)
        return self._clean(value, sources)

    def _remember(self, found: list[str]) -> None:
        new = [value for value in found if value not in self._echoes]
        if new:
            self._echoes = (self._echoes + new)[-_ECHOES_KEPT:]
            self._memory = _Values("echo", self._echoes)

    def _by_name(self, value: Any, request: bool, under: str | None, found: list[str]) -> Any:
        """Replace what stands under a credential's name; ``under`` is that name once the walk is below one."""
        if isinstance(value, dict):
            # A server's object below such a name is a schema or a description more often than a credential.
            inherited = under if request else None
            out = {
                key: self._by_name(item, request, key if credential_name(key) else inherited, found)
                for key, item in value.items()
            }
            return value if all(out[key] is item for key, item in value.items()) else out
        if isinstance(value, list):
            return _same(value, [self._by_name(item, request, under, found) for item in value])
        if under is None or value is None or isinstance(value, bool):
            return value
        spelled = value if isinstance(value, str) else str(value)
        fits = credential_value if request else looks_random
        if MARKER.search(spelled) or not fits(under, spelled):
            return value
        if looks_random(under, spelled):
            found.append(spelled)
        return self._mark("name")

    def _clean(self, value: JSON, sources: Sequence[_Values]) -> JSON:
        data = dumps(value)
        lowered = data.lower()
        there = [hint for hint in _HINTS if hint in lowered]
        rules = [rule for rule in RULES if any(hint in there for hint in rule.hints)] if there else []
        sources = [source for source in sources if source.may_be_in(data)]
        return self._walk(value, rules, sources) if rules or sources else value

    def _walk(self, value: Any, rules: Sequence[Rule], sources: Sequence[_Values]) -> Any:
        if isinstance(value, str):
            return self._text(value, rules, sources)
        if isinstance(value, dict):
            out = {self._text(key, rules, sources): self._walk(item, rules, sources) for key, item in value.items()}
            return value if all(key in out and out[key] is item for key, item in value.items()) else out
        if isinstance(value, list):
            return _same(value, [self._walk(item, rules, sources) for item in value])
        if isinstance(value, int | float) and not isinstance(value, bool):
            for source in sources:
                if str(value) in source.whole:
                    return self._mark(source.rule)
        return value

    def _text(self, value: str, rules: Sequence[Rule], sources: Sequence[_Values]) -> str:
        out = value
        for source in sources:
            out = source.replace(out, self._mark)
        for rule in rules:
            if rule.pattern.search(out):
                out = rule.pattern.sub(lambda found, name=rule.name: self._found(found, name), out)  # type: ignore[misc]
        return value if out == value else out

    def _found(self, found: re.Match[str], rule: str) -> str:
        if "value" not in found.re.groupindex:
            return self._mark(rule)
        if rule == "named-value" and not credential_name(name_before(found)):
            return found[0]
        start, end = found.span("value")
        return found[0][: start - found.start()] + self._mark(rule) + found[0][end - found.start() :]

    def _mark(self, rule: str) -> str:
        self.counts[rule] += 1
        return f"[redacted:{rule}]"


class _Values:
    """Secret values, each in the forms in which it may turn up inside a text."""

    def __init__(self, rule: str, values: Iterable[str] = ()) -> None:
        self.rule = rule
        self.whole = {value for value in values if value.strip()}
        self._forms = {form for value in self.whole if len(value) >= _SHORTEST_INSIDE for form in _forms(value)}
        self._hints = [form.encode("utf-8", "surrogatepass") for form in self._forms | self.whole]
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join([MARKER.pattern, *map(re.escape, longest_first)]))

    def may_be_in(self, data: bytes) -> bool:
        """Whether any value could be in this encoded JSON."""
        return any(hint in data for hint in self._hints)

    def replace(self, value: str, mark: Callable[[str], str]) -> str:
        """The text with every value in it replaced; a marker that stands already is never cut into."""
        if value in self.whole:
            return mark(self.rule)
        if not any(form in value for form in self._forms):
            return value
        return self._pattern.sub(lambda found: found[0] if MARKER.fullmatch(found[0]) else mark(self.rule), value)


def _forms(value: str) -> set[str]:
    """The value as it is, URL-encoded, and escaped as JSON would within a text within a text."""
    forms = {value}
    try:
        encoded = (quote(value), quote(value, safe=""), quote_plus(value))
        forms.update(encoded, (re.sub("%..", lambda found: found[0].lower(), form) for form in encoded))
    except UnicodeEncodeError:
        pass  # a lone surrogate has no URL form
    for plain in (False, True):
        form = value
        for _ in range(_LEVELS):
            form = json.dumps(form, ensure_ascii=plain)[1:-1]
            forms.add(form)
    return forms


def _same(before: list[Any], after: list[Any]) -> list[Any]:
    return before if all(a is b for a, b in zip(before, after, strict=True)) else after
