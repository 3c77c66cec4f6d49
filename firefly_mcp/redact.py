"""Redaction before the first byte is written: nothing that is a credential reaches a recording.

Three sources: names that carry credentials (at any depth), well-known token forms, and the secret values given. Each find is
replaced by ``[redacted:RULE]``. Redacting twice changes nothing, and the same object is returned when nothing was found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from firefly_mcp.credentials import RULES, credential_name, credential_value
from firefly_mcp.jsonio import JSON, JsonObject, dumps, text

MARKER = re.compile(r"\[redacted:[a-z-]+\]")
_SHORTEST_INSIDE = 4
"""A shorter secret is replaced only where it is the whole text: inside others it would be everywhere."""
_NAME_HINT = re.compile(rb"(?i)pass|pwd|secret|token|key|auth|credential|bearer|otp|cookie|phrase|string|pat\"")
_MANY_LEVELS = 3
"""How often a text may be JSON inside a JSON text and still have its secrets found in escaped form."""


class Redactor:
    """Applies one set of rules. Cheap for clean values: one encoding and a few substring searches.

    Secrets that stand under a credential's name in an argument are remembered and taken out of results as well, so that a
    server that echoes a password does not bring it into the recording.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secret values that are known beforehand; blank ones are passed over."""
        self.counts: Counter[str] = Counter()
        self._given = _Values("config", secrets)
        self._seen = _Values("echo")

    def params(self, params: JsonObject | None) -> JsonObject | None:
        """A request's params, redacted: arguments under a credential's name, token forms and secrets."""
        if not params:
            return params
        redacted: JsonObject = self._redact(params, names=_any_value, learned=False)
        return redacted

    def result(self, result: JSON) -> JSON:
        """A result, error or any other message of a server, redacted.

        Under a credential's name only values that look like one are replaced: a schema's ``"password": "string"`` stays.
        """
        return self._redact(result, names=_looks_random, learned=True)

    def text(self, text: str) -> str:
        """One text, redacted: token forms and secrets."""
        return self._text(text, learned=True)

    def _redact(self, value: JSON, *, names: Callable[[str, str], bool], learned: bool) -> JSON:
        if value is None or isinstance(value, bool):
            return value
        data = dumps(value)
        hinted = _NAME_HINT.search(data) is not None
        if not hinted and not self._suspicious(data, learned):
            return value
        if hinted:
            value = self._by_name(value, names, remember=True)
        return self._walk(value, learned or hinted)

    def _suspicious(self, data: bytes, learned: bool) -> bool:
        lowered = data.lower().decode("utf-8", "replace")
        if any(hint in lowered for rule in RULES for hint in rule.hints):
            return True
        whole = data.decode("utf-8", "replace")
        return self._given.may_be_in(whole) or (learned and self._seen.may_be_in(whole))

    def _by_name(self, value: Any, fits: Callable[[str, str], bool], *, remember: bool, under: str | None = None) -> Any:
        """Replace what stands under a credential's name; ``under`` is that name once the walk is below one."""
        if isinstance(value, dict):
            return _same_if_equal(
                value,
                {
                    key: self._by_name(item, fits, remember=remember, under=under or (key if credential_name(key) else None))
                    for key, item in value.items()
                },
            )
        if isinstance(value, list):
            items = [self._by_name(item, fits, remember=remember, under=under) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        if under is None or value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        spelled = value if isinstance(value, str) else text(value)
        if MARKER.fullmatch(spelled) or not fits(under, spelled):
            return value
        if len(spelled) >= 6:
            self._seen.add(spelled)
        return self._mark("name")

    def _walk(self, value: Any, learned: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, learned)
        if isinstance(value, dict):
            out = {self._text(key, learned): self._walk(item, learned) for key, item in value.items()}
            return _same_if_equal(value, out)
        if isinstance(value, list):
            items = [self._walk(item, learned) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        if isinstance(value, int | float) and not isinstance(value, bool) and text(value) in self._given.whole:
            return self._mark(self._given.rule)
        return value

    def _text(self, value: str, learned: bool) -> str:
        out = self._given.replace(value, self._mark)
        if learned:
            out = self._seen.replace(out, self._mark)
        lowered = out.lower()
        for rule in RULES:
            if any(hint in lowered for hint in rule.hints):
                out = rule.pattern.sub(lambda found, name=rule.name: self._found(found, name), out)  # type: ignore[misc]
        return value if out == value else out

    def _found(self, found: re.Match[str], rule: str) -> str:
        if "value" not in found.re.groupindex:
            return self._mark(rule)
        start, end = found.span("value")
        whole = found[0]
        return whole[: start - found.start()] + self._mark(rule) + whole[end - found.start() :]

    def _mark(self, rule: str) -> str:
        self.counts[rule] += 1
        return f"[redacted:{rule}]"


class _Values:
    """Secret values, each in the forms in which it may turn up inside a text."""

    def __init__(self, rule: str, values: Iterable[str] = ()) -> None:
        self.rule = rule
        self.whole: set[str] = set()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        if not value.strip() or value in self.whole:
            return
        self.whole.add(value)
        if len(value) >= _SHORTEST_INSIDE:
            self._forms |= _forms(value)
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join([MARKER.pattern, *map(re.escape, longest_first)]))

    def may_be_in(self, data: str) -> bool:
        """Whether any value could be in this JSON text."""
        return any(form in data for form in self._forms) or any(value in data for value in self.whole)

    def replace(self, value: str, mark: Callable[[str], str]) -> str:
        if not self.whole:
            return value
        if value in self.whole:
            return mark(self.rule)
        if self._pattern is None or not any(form in value for form in self._forms):
            return value
        return self._pattern.sub(lambda found: found[0] if MARKER.fullmatch(found[0]) else mark(self.rule), value)


def _forms(value: str) -> set[str]:
    forms = {value, quote(value), quote(value, safe=""), quote_plus(value)}
    for escape in (_escaped, _escaped_ascii):
        form = value
        for _ in range(_MANY_LEVELS):
            form = escape(form)
            forms.add(form)
    return forms


def _escaped(value: str) -> str:
    return dumps(value).decode("utf-8", "replace")[1:-1]


def _escaped_ascii(value: str) -> str:
    import json

    return json.dumps(value)[1:-1]


def _same_if_equal(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    same = len(before) == len(after) and all(key in after and after[key] is item for key, item in before.items())
    return before if same else after


def _any_value(name: str, value: str) -> bool:
    return credential_value(name, value)


def _looks_random(name: str, value: str) -> bool:
    if len(value) < 8 or any(character.isspace() for character in value) or not credential_value(name, value):
        return False
    return not value.isalpha() or len(value) >= 24
