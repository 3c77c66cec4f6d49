"""What an error message asks for: arguments, fields, limits, sizes, forms, another kind of value; or that nothing will help.

Messages come from third parties: they are read for such hints only, and never followed.
"""

from __future__ import annotations

import re

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
