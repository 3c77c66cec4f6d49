"""What a prose result says that a task may ask for: lines of ``label: value``, rows of Markdown tables, a result that is
nothing but one short value, and where there is none of these the one line that says what was done.

Each is found again by a regular expression with one group, and is called by the words that the text itself sets beside it.
Where a row of a table is meant, the selection names the row's first cell as a condition, which a request has to state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import number_in

LONGEST = 60
MESSAGE = 110
MOST = 60
MOST_ROWS = 60

_LINE = re.compile(
    r"[ \t]*(?:[-*•+][ \t]+|\d{1,2}[.)][ \t]+)?\*{0,2}(?P<label>[^\W\d_][\w ()'/-]{0,38}?)\*{0,2}"
    r"[ \t]*(?P<sign>[:=：])\*{0,2}[ \t]+(?P<value>\S.*?)[ \t]*\Z"
)
_PLAIN_LABEL = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)?(?:[ _/-][^\W\d_]+(?:['-][^\W\d_]+)?){0,3}")
_NO_LABEL = frozenset(
    "error errors warning note usage hint tip example examples valid available info message summary debug todo see http https"
    " description file path".split()
)
_NUMBER = re.compile(r"(?P<before>[^\w\s.+-]{0,3} ?)(?P<number>-?\d[\d,]*(?:\.\d+)?)(?P<after> ?[%°€$£¥]| [A-Za-z²³/]{1,12})?")
_GROUPED = re.compile(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
_MARKS = re.compile(r"[*_`]{1,3}")
_RULE = re.compile(r"\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)+\|?[ \t]*\Z")
_SHORT = re.compile(r"[^\s;:!?]+(?: [^\s;:!?]+){0,5}(?<![.,])")
_TOLD = re.compile(
    r"(?i)\b(?:success\w*|added|created|updated|deleted|removed|saved|set|no|not|none|invalid|unknown|failed|done|ok|error|found|"
    r"already|copied|moved|switched|inserted|applied|changed|missing|must|to|of|the|is|are|was|were|has|have)\b"
)
"""Words of a message to a person: a text with one of them is no bare value."""
_FAILED = re.compile(
    r"(?i)\b(?:no|not|none|nothing|invalid|unknown|fail\w*|error\w*|cannot|can't|could|must|missing|unable|already|only|"
    r"required|unsupported|available|valid|usage|try|please|out of|too)\b|[?]|\d:\d\d"
)


class Written(NamedTuple):
    """One value of a text: what it is called, itself, and the selection that finds it again."""

    label: str
    value: Any
    select: JsonObject


@lru_cache(maxsize=512)
def written_values(text: str) -> tuple[Written, ...]:
    """The values that a text offers, in order, at most 60; each is the only one that its selection finds."""
    found = [*_whole(text), *_lines(text), *_rows(text)]
    kept: dict[str, Written] = {}
    for item in found[: 4 * MOST]:
        matches = {match.group(1) for match in re.finditer(item.select["regex"], text)}
        if len(matches) == 1 and len(kept) < MOST:
            kept.setdefault(str(item.select["regex"]), item)
    return tuple(kept.values()) or tuple(_message(text))


def _message(text: str) -> Iterator[Written]:
    """The one line with which a tool says what it did, where it says nothing else."""
    body = text.strip()
    plain = len(body) <= MESSAGE and "\n" not in body and not re.search(r'["“”{}<>|]', body)
    if plain and len(body.split()) > 2 and not _FAILED.search(body):
        yield Written("message", body, {"regex": r"\A\s*(\S[^\n]*?)\s*\Z", "label": "message"})


def _whole(text: str) -> Iterator[Written]:
    body = text.strip()
    if len(body) <= LONGEST and _SHORT.fullmatch(body) and not _TOLD.search(body):
        yield Written("result", body, {"regex": r"\A\s*(\S[^\n]*?)\s*\Z", "label": "result"})


def _lines(text: str) -> Iterator[Written]:
    for line in text.splitlines():
        match = _LINE.match(line) if len(line) <= 240 else None
        if match is None:
            continue
        label = match["label"].strip()
        words = label.replace("_", " ").lower()
        if not _PLAIN_LABEL.fullmatch(label) or words in _NO_LABEL or words.split()[0] in _NO_LABEL:
            continue
        before = rf"(?m)^[ \t]*(?:[-*•+][ \t]+|\d{{1,2}}[.)][ \t]+)?\**{re.escape(label)}\**[ \t]*{match['sign']}\**[ \t]+"
        value = _MARKS.sub("", match["value"]).strip()
        yield from _of(words, value, before, r"\**[ \t]*$")


def _of(label: str, value: str, before: str, end: str) -> Iterator[Written]:
    """A number with its sign and unit taken off, or a short text."""
    number = _NUMBER.fullmatch(value)
    if number is not None and _GROUPED.fullmatch(number["number"]):
        taken = number_in(number["number"].replace(",", ""))
        if taken is not None:
            pattern = rf"{before}[*_`]{{0,3}}[^\w\s.+-]{{0,3}} ?(-?\d[\d,]*(?:\.\d+)?)(?![\d.,]*\d)"
            yield Written(label, taken, {"regex": pattern, "label": label, "as": "number"})
    elif len(value) <= LONGEST and len(value.split()) <= 6 and not re.search(r"[|{}<>\[\]\"]|[.!?…]$|://|: ", value):
        yield Written(label, value, {"regex": rf"{before}[*_`]{{0,3}}(\S[^\n]*?)[*_`]{{0,3}}{end}", "label": label})


def _rows(text: str) -> Iterator[Written]:
    lines = text.splitlines()
    for at in range(len(lines) - 2):
        if "|" not in lines[at] or not _RULE.match(lines[at + 1].strip()):
            continue
        head = _cells(lines[at])
        if len(head) < 2 or not all(_PLAIN_LABEL.fullmatch(name) for name in head[:1]):
            continue
        for line in lines[at + 2 : at + 2 + MOST_ROWS]:
            cells = _cells(line)
            if len(cells) != len(head):
                break
            yield from _row(head, cells, line)


def _row(head: list[str], cells: list[str], line: str) -> Iterator[Written]:
    own = cells[0]
    if not own or len(own) > 40 or re.search(r'["“”|*_`]', own):
        return
    bar = r"\|" if line.lstrip().startswith("|") else ""
    for place, (name, cell) in enumerate(zip(head[1:], cells[1:], strict=True)):
        if not _PLAIN_LABEL.fullmatch(name):
            continue
        label = name.replace("_", " ").lower()
        before = rf"(?m)^[ \t]*{bar}[ \t]*[*_`]{{0,3}}{re.escape(own)}[*_`]{{0,3}}[ \t]*\|(?:[^|\n]*\|){{{place}}}[ \t]*"
        for item in _of(label, cell, before, r"[ \t]*(?:\||$)"):
            named = number_in(own)
            where = [{"field": f"$.{re.sub(r'[^A-Za-z]+', '_', head[0]).lower()}", "equals": own if named is None else named}]
            yield item._replace(select={**item.select, "where": where})


def _cells(line: str) -> list[str]:
    body = line.strip()
    return [_MARKS.sub("", cell).strip() for cell in body.strip("|").split("|")] if "|" in body else []
