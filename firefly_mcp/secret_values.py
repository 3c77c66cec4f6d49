"""Secret values that are known, found and replaced in every form in which they may turn up inside a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from firefly_mcp.spellings import spellings

MARKER = re.compile(r"\[redacted:[a-z][a-z0-9-]*\]")
"""What stands in the place of something redacted: the name of the rule, and no trace of the value."""
SHORTEST_INSIDE = 4
"""A shorter secret is replaced only where it is the whole text: inside others it would be everywhere."""


@lru_cache(maxsize=512)
def _forms_of(value: str) -> frozenset[str]:
    return frozenset(spellings(value))


class SecretValues:
    """Values that one rule replaces."""

    def __init__(self, rule: str, values: Iterable[str] = ()) -> None:
        """Take the values; blank ones are passed over."""
        self.rule = rule
        self.whole = {value for value in values if value.strip()}
        self._forms = {form for value in self.whole if len(value) >= SHORTEST_INSIDE for form in _forms_of(value)}
        self._hints = [form.encode("utf-8", "surrogatepass") for form in self._forms | self.whole]

    def may_be_in(self, data: bytes) -> bool:
        """Whether any value could be in this encoded JSON."""
        return any(hint in data for hint in self._hints)

    def replace(self, value: str, mark: Callable[[str], str]) -> str:
        """The text with every value in it replaced; a marker that stands already is never cut into."""
        if value in self.whole:
            return mark(self.rule)
        there = [form for form in self._forms if form in value]
        if not there:
            return value
        # Of what is there alone: what is remembered of a server changes with every answer that holds a token, and is long.
        longest_first = sorted(there, key=lambda form: (-len(form), form))
        pattern = re.compile("|".join([MARKER.pattern, *map(re.escape, longest_first)]))
        return pattern.sub(lambda found: found[0] if MARKER.fullmatch(found[0]) else mark(self.rule), value)
