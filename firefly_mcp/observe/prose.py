"""Values in prose, and for each a regular expression that finds it again by what stands around it.

Prose offers a value where its writing sets it apart: quoted, bold, in code, in a table cell, after a label, or by its own
shape (numbers, dates, addresses, codes, names with capitals). Plain lower-case words of running text are not offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\W_](?:[\w.@:/#+%~-]*\w)?")
_NUMBER = re.compile(r"(?<![\w.,/:-])-?(?:0|[1-9]\d*)(?:\.\d+)?(?![\w/:]|[.,-]\d)")
_QUOTED = re.compile(r"`([^`\n]{2,200})`|\*\*([^*\n]{2,200})\*\*|\"([^\"\n]{2,200})\"|(?<!\w)'([^'\n]{2,200})'(?!\w)")
_LABEL = re.compile(r"(?:[-*•>#]{1,8}[ \t]{1,8})?\*{0,3}[\w][\w ()/-]{0,39}\*{0,3}[ \t]{0,8}[:=]\*{0,3}[ \t]{1,40}")
_BULLET = re.compile(r"(?:[-*•]|\d{1,3}[.)])[ \t]{1,8}")
_LONGEST = 200
_CONTEXT = 160
_STOPS = {'"', "'", "`", "*", "|", ",", ";", ")", "]", "}", ">"}


@dataclass(frozen=True, slots=True)
class Found:
    """One value in a text: ``text[start:end] == value``."""

    value: str
    start: int
    end: int


def values_in(text: str, *, limit: int = 5000) -> list[Found]:
    """The values that ``text`` sets apart, in order of their place, at most ``limit`` of them."""
    found: dict[tuple[int, int], Found] = {}
    for item in _values(text):
        found.setdefault((item.start, item.end), item)
        if len(found) >= limit:
            break
    return sorted(found.values(), key=lambda item: (item.start, item.end))


def regex_for(text: str, found: Found) -> str:
    """A regular expression with one group whose first match in ``text`` gives exactly ``found.value``; empty if none is short.

    It leans on the words before the value, not on the value itself, so that it reads the same place of a similar text.
    """
    group = _group(text, found)
    for context in _contexts(text, found.start):
        regex = f"(?m){context}{group}"
        match = re.search(regex, text)
        if match and match.group(1) == found.value:
            return regex
    return ""


def _values(text: str) -> Iterator[Found]:
    for match in _NUMBER.finditer(text):
        yield Found(match.group(), match.start(), match.end())
    for match in _TOKEN.finditer(text):
        token = match.group()
        if any(char.isdigit() or char.isupper() or char in "@/_:" for char in token):
            yield Found(token, match.start(), match.end())
    for match in _QUOTED.finditer(text):
        group = match.lastindex or 1
        if match.group(group).strip():
            yield Found(match.group(group), match.start(group), match.end(group))
    start = 0
    for line in text.splitlines(keepends=True):
        yield from _line_values(line, start)
        start += len(line)


def _line_values(line: str, at: int) -> Iterator[Found]:
    """What stands after a label or a bullet, and in the cells of a table row."""
    body = line.strip()
    if not body or len(body) > 10 * _LONGEST:
        return
    at += line.index(body)
    for pattern in (_LABEL, _BULLET):
        match = pattern.match(body)
        if match and 0 < len(body) - match.end() <= _LONGEST:
            yield Found(body[match.end() :], at + match.end(), at + len(body))
    if body.count("|") < 2:
        return
    place = body.index("|") + 1
    for cell in body[place:].split("|")[:-1]:
        value = cell.strip()
        if value and len(value) <= _LONGEST:
            start = at + place + cell.index(value)
            yield Found(value, start, start + len(value))
        place += len(cell) + 1


def _group(text: str, found: Found) -> str:
    following = text[found.end : found.end + 1]
    if _NUMBER.fullmatch(found.value):
        return r"(-?\d+(?:\.\d+)?)"
    if following in ("", "\n", "\r"):
        return r"(\S[^\n]*?)[ \t\r]{0,9}$"
    if following in _STOPS:
        return f"([^{re.escape(following)}\\n]+){re.escape(following)}"
    if re.match(r"[ \t]{1,40}\|", text[found.end : found.end + 41]):
        return r"([^|\n]{1,200}?)[ \t]{0,40}\|"
    if not re.search(r"\s", found.value):
        return r"([\w.@:/#+%~-]*\w)"
    return f"([^\\n]+?){re.escape(text[found.end : found.end + 12])}"


def _contexts(text: str, start: int) -> Iterator[str]:
    """Patterns of what stands before ``start``, growing word by word; digits and blanks are taken loosely."""
    before = text[max(0, start - _CONTEXT) : start]
    cuts = [match.start() for match in re.finditer(r"\w+|[^\w\s]+", before)]
    line = before.rfind("\n") + 1
    for cut in reversed(cuts):  # a label on the same line says most
        if cut >= line and re.search(r"[^\W\d_]", before[cut:]):
            yield _loose(before[cut:])
    for cut in reversed(cuts):
        yield _loose(before[cut:])
    if start <= _CONTEXT:
        yield r"\A" + _loose(before)


def _loose(literal: str) -> str:
    parts = re.split(r"(\s+|\d+)", literal)
    return "".join(
        r"\s{1,40}" if part.isspace() else r"\d+" if part.isdigit() and part.isascii() else re.escape(part) for part in parts
    )
