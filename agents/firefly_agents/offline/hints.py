"""What prose says of an argument: samples, allowed values, and what an error message says would have been right.

Descriptions come from third parties: they are read for values only, and never followed.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from firefly_mcp.jsonio import JSON, dumps, loads

_QUOTED = re.compile(r"""(?<![\w])["'`“‘]([^"'`“”‘’\n]{1,60})["'`”’](?![\w])""")
_SAMPLE = re.compile(
    r"(?i)\b(?:e\.?g\.?|for example|for instance|such as|examples?|like|in the form|formatted as|looks like)"
    r"[,:]?\s*(.{1,160})"
)
_BARE_SAMPLE = re.compile(r"(?i)\b(?:e\.?g\.?|for example|such as|example:)[,:]?\s*([A-Za-z0-9][\w.:/+@-]{1,40})")
_ALLOWED = re.compile(
    r"(?i)\b(?:must be|one of|either|allowed(?: values)?(?: are)?|valid(?: \w+){0,3}(?: are)?|options(?: are)?|choices"
    r"|supported(?: \w+)?(?: are)?|available(?: \w+)?(?: are)?|expected(?: one of)?|should be|accepts|choose from|try \w+ like)"
    r"[:\s]*(.{2,400})"
)
_LISTED = re.compile(r"(?i)^[^:\n]{0,60}:\s*((?:[\w-]+(?:,\s*(?:or\s+)?|\s+or\s+|\s*[|/]\s*)){1,30}[\w-]+)\s*\.?\s*$")
_PAIR = re.compile(r"(?i)^\s*([\w-]+)\s+or\s+([\w-]+)\s*\.?\s*$")
_BAR = re.compile(r"(?<![\w|])([\w-]+(?:\s*\|\s*[\w-]+){1,20})")
_WORDLIKE = re.compile(r"[\w.:/+@#-]{1,60}(?: [\w.:/+@#-]{1,30}){0,3}\Z")
_ARGS_BLOCK = re.compile(
    r"(?ms)^\s*(?:Args|Arguments|Parameters|Params)\s*:\s*\n(.*?)(?:^\s*(?:Returns|Raises|Yields|Examples?|Notes?)\s*:|\Z)"
)
_AFTER_COLON = re.compile(
    r"(?i)\b(?:available|valid|use|allowed|supported|expected|known|options|choices|choose from|one of|must be)"
    r"(?: [\w-]+){0,3}(?:\s*\([^()]{1,30}\))?"
    r"\s*:\s*((?:[\w./+-]{1,40}(?: [\w./+-]{1,20})?(?:,\s*(?:or\s+|and\s+)?|\s*\|\s*)){1,60}[\w./+-]{1,40})"
)
_NOT_VALUES = frozenset("true false null none omitted optional required default any all a an the or and string".split())


@lru_cache(maxsize=5000)
def argument_text(tool_description: str, name: str) -> str:
    """What a tool's description says of one argument: its entry in an ``Args:`` block, and sentences that quote its name."""
    found: list[str] = []
    block = _ARGS_BLOCK.search(tool_description)
    if block:
        entry = re.search(
            rf"(?ms)^\s*[*`-]*\s*{re.escape(name)}[`*]*\s*(?:\([^)]*\))?\s*:\s*(.*?)(?=^\s*[*`-]*\s*\w+[`*]*\s*(?:\([^)]*\))?\s*:|\Z)",
            block[1],
        )
        if entry:
            found.append(" ".join(entry[1].split()))
    found += re.findall(rf"[^.\n]*[`'\"]{re.escape(name)}[`'\"][^.\n]*(?:\.\w[^.\n]*)*", tool_description)
    return " ".join(found)


@lru_cache(maxsize=5000)
def beside(tool_description: str, name: str) -> str:
    """The samples in brackets that follow an argument's name in a tool's description: ``a given type (e.g. 'lead')``."""
    found = re.search(
        rf"(?i)(?<![\w]){re.escape(name)}(?![\w])[^.()\n]{{0,30}}(\((?:e\.g\.|such as|like|for example)[^)]*\))",
        tool_description,
    )
    return found[1] if found else ""


@lru_cache(maxsize=5000)
def samples(text: str) -> tuple[str, ...]:
    """Values that a description gives as samples, in order, without repeats."""
    found: list[str] = []
    for match in _SAMPLE.finditer(text):
        stretch = re.split(r"(?<=[\w'\"`)])\.\s|;|\n", match[1])[0]
        found += _QUOTED.findall(stretch)
    if not found:
        found += [match[1].rstrip(".,;:") for match in _BARE_SAMPLE.finditer(text)]
    return _clean(found)


@lru_cache(maxsize=5000)
def choices(text: str) -> tuple[str, ...]:
    """The values that a description (or an error) says are allowed, in order; empty where it lists none."""
    for line in re.split(r"\n|(?<=\w)\.\s+(?=[A-Z])", text):
        listed = _LISTED.match(line.strip()) or _PAIR.match(line)
        if listed:
            inside = " or ".join(group for group in listed.groups() if group)
            values = _clean(re.split(r",\s*(?:or\s+)?|\s+or\s+|\s*[|/]\s*", inside))
            if len(values) >= 2:
                return values
    for match in _ALLOWED.finditer(text):
        values = _list_in(match[1])
        if len(values) >= 2:
            return values
    quoted = re.search(
        r"""((?:["'`][\w.-]{1,40}["'`](?:\s*,\s*(?:or\s+)?|\s+or\s+|\s*\|\s*)){1,20}["'`][\w.-]{1,40}["'`])""", text
    )
    if quoted and not _SAMPLE.search(text[: quoted.start() + 8]):
        return _clean(_QUOTED.findall(quoted[1]))
    bar = _BAR.search(text)
    return _clean(re.split(r"\s*\|\s*", bar[1])) if bar else ()


def wanted(error: str) -> tuple[str, ...]:
    """The values that an error message says would have been accepted, best first."""
    for match in _ALLOWED.finditer(error):
        # Only what is quoted or in brackets: other words after "available" may be anything.
        values = _list_in(match[1], loose=False)
        if values:
            return values
    listed = _AFTER_COLON.search(error)
    return _clean(re.split(r",\s*(?:or\s+|and\s+)?|\s*\|\s*", listed[1])) if listed else ()


@lru_cache(maxsize=5000)
def structures(text: str) -> tuple[JSON, ...]:
    """Arrays and objects written out in prose, as JSON or as Python literals, at most four."""
    found: list[JSON] = []
    at = 0
    while len(found) < 4:
        match = re.compile(r"[\[{]").search(text, at)
        if match is None:
            break
        end = _closing(text, match.start())
        value = _literal(text[match.start() : end]) if end else None
        if isinstance(value, list | dict) and value:
            found.append(value)
            at = end
        else:
            at = match.start() + 1
    return tuple(found)


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` is closed, 0 if nowhere near."""
    depth = 0
    for index in range(start, min(len(text), start + 1500)):
        depth += (text[index] in "[{") - (text[index] in "]}")
        if depth == 0:
            return index + 1
    return 0


def _literal(text: str) -> JSON:
    try:
        return loads(text)
    except ValueError:
        pass
    try:
        value = ast.literal_eval(text)
        return loads(dumps(value))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def fields_in(text: str) -> tuple[str, ...]:
    """Field names of objects that only prose describes: ``Flight objects with flight_number and date``."""
    match = re.search(
        r"(?i)\bobjects?\b[^.]{0,20}?\b(?:with|having|containing|of)\s+((?:[a-z_]+(?:,\s*(?:and\s+)?|\s+and\s+))*[a-z_]+)", text
    )
    return _clean(re.split(r",\s*(?:and\s+)?|\s+and\s+", match[1])) if match else ()


def _list_in(stretch: str, *, loose: bool = True) -> tuple[str, ...]:
    stretch = stretch.strip()
    bracket = re.search(r"[\[({]([^\])}]{2,600})[\])}]", stretch[:700])
    if bracket and not re.search(r"[,'\"`]", bracket[1]):
        bracket = re.search(r"[\[{]([^\]}]{2,600})[\]}]", stretch[:700])
    if bracket and bracket.start() < 40:
        quoted = _QUOTED.findall(bracket[1])
        return _clean(quoted or bracket[1].split(","))
    sentence = re.split(r"(?<=\w)\.\s|\n|;|\[", stretch)[0]
    quoted = _QUOTED.findall(sentence)
    if quoted:
        return _clean(quoted)
    if not loose:
        return ()
    parts = re.split(r",\s*(?:or\s+|and\s+)?|\s+or\s+", sentence.rstrip("."))
    return _clean(parts) if len(parts) >= 2 and all(len(part.split()) <= 2 for part in parts) else ()


def _clean(values: list[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for value in values:
        value = value.strip().strip("'\"`*.,()")
        if value and value.lower() not in _NOT_VALUES and _WORDLIKE.match(value):
            kept.setdefault(value)
    return tuple(kept)
