"""A user's regular expressions over texts: what they find is replaced, and a marker that stands already is left whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from firefly_mcp.secret_values import MARKER


@dataclass(frozen=True, slots=True)
class UserPattern:
    """One pattern, and the rule that its finds are counted under. A group ``value`` alone is replaced where there is one."""

    rule: str
    pattern: re.Pattern[str]

    def replace(self, text: str, mark: Callable[[str], str]) -> str:
        """The text with every find replaced by ``mark(rule)``.

        A find inside a marker is none; one that begins or ends inside a marker takes the whole of it. So a second time nothing
        is found.
        """
        group = "value" if "value" in self.pattern.groupindex else 0
        markers = [found.span() for found in MARKER.finditer(text)]
        out: list[str] = []
        done = at = 0
        while at <= len(text) and (found := self.pattern.search(text, at)):
            start, end = found.span(group)
            at = max(found.end(), at + 1, found.start() + 1)
            if start == end or any(a <= start and end <= b for a, b in markers):
                continue
            start = max(done, min([start, *(a for a, b in markers if a < start < b)]))
            end = max([end, *(b for a, b in markers if a < end < b)])
            out += [text[done:start], mark(self.rule)]
            done = end
            at = max(at, end)
        return "".join([*out, text[done:]]) if out else text


def key_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds ``name: value`` and ``name=value`` in running text, the name being any spelling of ``words``."""
    name = r"[^A-Za-z0-9\s]?".join(map(re.escape, words))
    return re.compile(
        rf"(?i)(?<![A-Za-z0-9_-]){name}(?:\\*[\"'])?\s{{0,3}}[=:]\s{{0,3}}(?:\\*[\"'])?"
        r"(?P<value>(?<=[\"'])(?!\[redacted:)[^\"'\\\n]{1,500}|(?!null\b)[^\s\"'\\,;&<>{}()\[\]]+)"
    )
