"""Fields in prose: Markdown tables and lines of ``key: value``, where the writing leaves no doubt.

This serves to learn what a tool returns; bindings and labels read prose by regular expressions (:mod:`.prose`) and do not
depend on it. A table needs its rule (``|---|---|``) and rows as wide as its head. Lines of ``key: value`` count when they are
most of the text outside tables and say at least two different things; a sentence with a colon in it is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from firefly_mcp.observe.values import number_in

_RULE = re.compile(r"\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-{3,}:?[ \t]*)+\|?[ \t]*\Z|\|[ \t]*:?-{3,}:?[ \t]*\|[ \t]*\Z")
_PAIR = re.compile(r"[ \t]*(?:[-*•][ \t]+)?\*{0,2}([A-Za-z][\w ()/-]{0,39}?)\*{0,2}[ \t]*[:=]\*{0,2}[ \t]+(\S.*?)[ \t]*\Z")
_SENTENCE = re.compile(r"(?:\S+[ \t]+){3}.*[.!?]\Z")
_HEADING = re.compile(r"[ \t]*(?:#{1,6}[ \t]|[-=*_]{3,}[ \t]*\Z|\*\*[^*]+\*\*:?[ \t]*\Z|[\w ()/-]{1,60}:[ \t]*\Z)")
_MARKS = re.compile(r"[*_`]{1,3}")
_MOST_WORDS = 4
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Written:
    """One value in prose: the ``name`` beside it, and a regular expression with one group that finds such values in a text."""

    name: str
    value: str | int | float
    regex: str


def written_fields(text: str) -> list[Written]:
    """The fields of a text, in order; empty where its form is in doubt."""
    found: list[Written] = []
    lines = text.splitlines()
    rest: list[str] = []
    at = 0
    while at < len(lines):
        head = _cells(lines[at])
        if len(head) > 1 and at + 1 < len(lines) and _RULE.match(lines[at + 1].strip()) and all(head):
            at += 2
            while at < len(lines) and "|" in lines[at] and len(cells := _cells(lines[at])) == len(head):
                found += [
                    Written(name, _value(cell), _of_column(column, lines[at]))
                    for column, (name, cell) in enumerate(zip(head, cells, strict=True))
                    if cell
                ]
                at += 1
            continue
        rest.append(lines[at])
        at += 1
    return found + _pairs(rest)


def _pairs(lines: list[str]) -> list[Written]:
    bodies = [line for line in lines if line.strip() and not _HEADING.match(line)]
    matches = [match for line in bodies if (match := _PAIR.match(line))]
    pairs = [match for match in matches if _is_pair(match[1], match[2])]
    if len({match[1].lower() for match in pairs}) < 2 or 2 * len(pairs) <= len(bodies):
        return []
    return [Written(match[1].strip(), _value(_MARKS.sub("", match[2])), _of_label(match[1].strip())) for match in pairs]


def _is_pair(name: str, value: str) -> bool:
    return len(name.split()) <= _MOST_WORDS and len(value) <= _LONGEST and not _SENTENCE.match(value)


def _cells(line: str) -> list[str]:
    body = line.strip()
    if body.count("|") < 1:
        return []
    return [_MARKS.sub("", cell).strip() for cell in body.strip("|").split("|")]


def _value(text: str) -> str | int | float:
    number = number_in(text)
    return text.strip() if number is None else number


def _of_column(column: int, line: str) -> str:
    bar = r"\|" if line.lstrip().startswith("|") else ""
    return rf"(?m)^[ \t]*{bar}(?:[^|\n]*\|){{{column}}}[ \t]*([^|\n]*?)[ \t]*(?:\||$)"


def _of_label(name: str) -> str:
    return rf"(?m)^[ \t]*(?:[-*•][ \t]+)?\**{re.escape(name)}\**[ \t]*[:=]\**[ \t]+(\S[^\n]*?)[ \t]*$"
