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


_NEEDED = re.compile(
    r"(?i)\b(?:required|missing|non-empty|must be an?|must (?:be )?(?:provid|specif|suppl|given|set|includ|pass)"
    r"|need(?:s|ed)?\b|provide|specify|supply|at least one|either|cannot be empty|can't be empty|expected)"
)


def needed(error: str, names: list[str]) -> list[str]:
    """The arguments, of ``names``, that an error says must be given."""
    return complained_about(error, names) if _NEEDED.search(error) else []


_BETWEEN = re.compile(
    r"(?i)\b(?:between|from|in (?:the )?range(?: of)?)\s*[\[(]?\s*(-?\d+(?:\.\d+)?)\s*(?:and|to|-|–|,|\.\.)\s*(-?\d+(?:\.\d+)?)"
)
_LEAST = re.compile(
    r"(?i)(?:\b(?:at least|greater than(?: or equal to)?|more than|minimum(?: of| is)?|no less than)|>=?)\s*(-?\d+(?:\.\d+)?)"
)
_MOST = re.compile(
    r"(?i)(?:\b(?:at most|less than(?: or equal to)?|fewer than|maximum(?: of| is)?|no more than|up to)|<=?)"
    r"\s*(-?\d+(?:\.\d+)?)"
)


def limits(error: str) -> tuple[float | None, float | None] | None:
    """The least and the greatest number that an error message says are allowed; None where it names neither."""
    between = _BETWEEN.search(error) or re.search(r"(?i)\b(?:index|range|have|has)\b[^()]{0,40}\((\d+)\s*-\s*(\d+)\)", error)
    if between:
        low, high = float(between[1]), float(between[2])
        return (low, high) if low <= high else None
    least, most = _LEAST.search(error), _MOST.search(error)
    if not least and not most:
        return None
    return float(least[1]) if least else None, float(most[1]) if most else None


def missing_key(error: str) -> str:
    """The key of an object that an error misses: a bare ``'hex'`` (Python's KeyError), or a field that it names."""
    bare = re.search(r"(?:\A|: |KeyError\(?:?\s*)['\"]([A-Za-z_]\w{0,40})['\"]\)?\.?\s*\Z", error.strip())
    named = re.search(
        r"(?i)\b(?:missing|requires?d?)(?: the)?(?: required)? (?:key|field|property|attribute)s?[:\s]+['\"`]?([a-z_]\w{0,40})",
        error,
    )
    return bare[1] if bare else named[1] if named else ""


_PYDANTIC = re.compile(r"^\s*([A-Za-z_]\w*(?:\.\w+)*)\s*\n\s+(\S[^\n]*?)(?: \[type=|$)", re.M)
_TYPES = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "dictionary": "object",
    "list": "array",
}


def complaints(error: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What a validation report in pydantic's form says: fields that are missing, and the types of others.

    Returns:
        ``(pointer of the object, missing field)`` pairs, and JSON types by pointer; list indices as 0.
    """
    missing, kinds = [], {}
    for path, told in _PYDANTIC.findall(error):
        steps = ["0" if step.isdigit() else step for step in path.split(".")]
        pointer = "/" + "/".join(steps)
        named = re.search(r"(?i)should be a valid (string|number|integer|boolean|dictionary|list)", told)
        if told.startswith("Field required"):
            missing.append((pointer.rpartition("/")[0], steps[-1]))
        elif named:
            kinds[pointer] = _TYPES[named[1].lower()]
    return missing, kinds


def least_size(error: str) -> int:
    """How many members an error says a list must have at least; 0 where it does not say."""
    found = re.search(r"(?i)\b(?:at least|minimum(?: of)?|requires?|need(?:s|ed)?) (\d|two|three|four|five|ten)\b", error)
    if not found:
        return 0
    return {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}.get(found[1].lower()) or int(found[1])


def prefix_asked(error: str) -> str:
    """What an error says that a value must start with; empty where it does not."""
    found = re.search(r"""(?i)\b(?:start|begin)s? with (?:an? )?['"`](\S{1,8})['"`]""", error)
    return found[1] if found else ""


FORMS = (
    "YYYY-MM-DDTHH:MM:SS",
    "YYYY-MM-DD HH:MM",
    "YYYY-MM-DD",
    "YYYY/MM/DD",
    "MM/DD/YYYY",
    "DD/MM/YYYY",
    "YYYYMMDD",
    "YYYY-MM",
    "HH:MM:SS",
    "HH:MM",
    "ISO 8601",
)
"""Written forms of dates and times, longer ones before those that they contain."""


def form_asked(text: str) -> str:
    """The written form of a date or time that a description or an error asks for; empty where it names none."""
    digits = re.search(r"(?i)\b(\d{1,2})(?:\s*(?:-|–|to|or)\s*\d{1,2})?[ -]digits?\b", text)
    if digits:
        return f"digits {digits[1]}"
    folded = re.sub(r"\s+", " ", text).upper().replace("ISO8601", "ISO 8601").replace("ISO-8601", "ISO 8601")
    return next((form for form in FORMS if form in folded), "")


_REFUSED = {
    "unknown": r"not found|no such|does(?: not|n't) exist|unknown|cannot find|could not find|unable to find|not exist",
    "file": r"not a (?:directory|folder)|ENOTDIR|must be a (?:directory|folder)|(?:directory|folder) expected",
    "folder": r"is a (?:directory|folder)|EISDIR|not a (?:regular )?file|must be a file",
    "text": r"invalid JSON|not valid JSON|JSON ?(?:decode|parse)|must be (?:valid )?JSON|Expecting value: line|Unexpected token"
    r"|Expecting property name|valid JSON (?:string|array|object)",
    "place": r"access denied|permission denied|outside (?:of )?(?:the )?(?:allowed|permitted|sandbox)"
    r"|not (?:in|within) (?:the )?allowed|path not allowed|EACCES",
    "spaces": r"cannot contain spaces|no spaces|alphanumeric|letters, (?:numbers|digits)|valid (?:python )?identifier"
    r"|snake_case|kebab|lower-?case letters|(?:invalid|illegal) (?:characters?|name)|must match (?:the )?(?:pattern|regex)",
    "numbers": r"'int' object has no attribute|'int' object is not subscriptable|'float' object has no",
    "strings": r"'str' object has no attribute '(?:get|items|keys)'|string indices must be integers",
}
_REFUSED_RE = {kind: re.compile(pattern, re.I) for kind, pattern in _REFUSED.items()}


def refused_kinds(error: str) -> frozenset[str]:
    """What an error says the value was and must not be: a ``file``, a ``folder``, plain ``text`` where JSON was due, a name
    with ``spaces``, ``numbers`` or ``strings`` in a list of objects."""
    return frozenset(kind for kind, pattern in _REFUSED_RE.items() if pattern.search(error))


_UNREACHABLE = re.compile(
    r"(?i)name or service not known|name ?resolution|getaddrinfo|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|network is unreachable"
    r"|connection (?:failed|refused|error)|max retries exceeded|fetch failed|failed to fetch|urlopen error|no internet"
    r"|cannot connect|all connection attempts failed|api key|not (?:installed|configured)|is required for|pip install"
    r"|environment variable|command not found|executable|credentials|not authenticated"
)


def out_of_reach(error: str) -> bool:
    """Whether an error says that a network, a program or a key is missing, so that other arguments will not help."""
    return bool(_UNREACHABLE.search(error))


def wants_absolute(error: str) -> bool:
    """Whether an error says that a path must be absolute."""
    return bool(re.search(r"(?i)\babsolute\b", error))


def complained_about(error: str, names: list[str]) -> list[str]:
    """The arguments, of ``names``, that an error message mentions as words of their own."""
    return [name for name in names if re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", error)]


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
