"""What the words of a tool's definition say of its effect. The weakest evidence, and therefore read with suspicion.

Only a reading verb makes a reader, and not even that where the same definition names a place to write to, a switch that only
a writer needs, a language in which anything can be said, or a second verb that writes. A verb that computes may work on a copy
or on the thing itself; it counts as reading only where no argument points at a thing that the server keeps.
"""

from __future__ import annotations

import re
from enum import StrEnum

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.schemas import properties, types_of
from firefly_mcp.state.vocabulary import ARITHMETIC, CLEAR, COMPUTE, JOURNAL, MUTABLE, OBSERVE, VALUES, WRITE
from firefly_mcp.types import Tool


class VerbClass(StrEnum):
    """What a verb lets us expect."""

    READ = "read"
    WRITE = "write"
    UNKNOWN = "unknown"


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_CONNECTED = re.compile(r"(?:^|_)(?:and|or|then)_([a-z]+)")
_SWITCH = re.compile(
    r"^(?:.*_)?(?:output|out|save|dest|destination|export|write|persist|extract)"
    r"(?:_(?:to|in|path|file|filename|dir|directory|folder|as))+$"
    r"|^(?:save|delete|remove|overwrite|update|upsert|append|persist|commit|apply|force|write|store)(?:_\w+)?$"
    r"|^dry_?run$|^(?:var|variable)_name$|^(?:ack|acknowledge|consume|pop|mark_read)$|^(?:docx|pdf|csv|xlsx|file)_output$"
)
_PLACE = re.compile(r"\b(?:path|file|folder|directory|save|write)", re.IGNORECASE)
_HANDLE = re.compile(
    r"(?:^|_)(?:id|ids|uuid|idx|index|path|paths|file|files|filename|dir|directory|folder|session|handle|document|sheet"
    r"|workbook|workspace|repo|repository|branch|db|database|table|model|project|task|ticket|order|account|record|item)$"
)
_SESSION = re.compile(r"(?:^|_)session(?:_|$)")
_LANGUAGE = re.compile(r"^(?:sql|statement|statements|command|commands|cmd|script|shell|program|operations|action)$")
_THING = (
    r"\s+(?:the|a|an|it|them|its|this|that|these|each|all|every|one|new|your|their"
    r"|chunks?|files?|results?|output|[A-Z]{2,}\S*)\b"
)
_CHANGING = (
    "add|append|archive|assign|clear|create|delete|edit|export|insert|log|mark|modify|move|overwrite|persist|post|record"
    "|register|remove|rename|replace|reset|save|send|store|update|upload|write"
)
_SAID = re.compile(
    r"(?P<before>\b(?:not|never|without|no|nothing|nor|cannot|can't|won't|doesn't|don't|must)\s+(?:\w+\s+){0,2})?"
    r"(?:\b(?:and|then|or|also)\s+(?:also\s+|optionally\s+|automatically\s+)?(?:auto-)?"
    rf"(?P<told>(?:{_CHANGING}|set)(?:s|es)?)|(?<![\w-])(?P<third>(?:{_CHANGING}|set)(?:s|es)))(?-i:{_THING})",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"\bread[- ]only\b|\bonly select\b|\bselect (?:query|queries|statements?)\b", re.IGNORECASE)
_CARRYING_OUT = frozenset({"execute", "process", "run"})
"""Verbs that say of a description no more than that something is done."""
_SUMS = re.compile(
    r"\b(?:numbers?|integers?|fractions?|vectors?|matri(?:x|ces)|polynomials?|decimal|quotient|remainder|(?:co)?sine|tangent|root"
    r"|logarithm\w*|exponential|function|equations?|expressions?|logical|hyperbolic|factori\w+|divisors?|multiples?|coefficients?"
    r"|derivatives?|integrals?|numerical\w*|regression|decomposition|transpose|towards? zero|set of|part|conjugate|value"
    r"|algorithm|distribution|time series|sieve|identity)\b",
    re.IGNORECASE,
)


def verb_class(tool: Tool) -> tuple[VerbClass, str]:
    """The class of a tool by its words, and the verb that decided, with the reason if it was not the verb alone.

    Returns:
        ``(UNKNOWN, "")`` when no word is known; ``UNKNOWN`` with a reason when a reading verb was not believed.
    """
    verb, leading = _verb(tool)
    if not verb:
        return (VerbClass.READ, "arithmetic") if _arithmetic(tool) else (VerbClass.UNKNOWN, "")
    if verb in WRITE:
        if verb in ARITHMETIC and _arithmetic(tool, numbers_only=True):
            return VerbClass.READ, "arithmetic"
        told = _first_word(tool.description)
        if leading or told not in OBSERVE | COMPUTE or told in MUTABLE or _doubt(tool, told):
            return VerbClass.WRITE, verb
        verb = told
    reason = _doubt(tool, verb)
    return (VerbClass.UNKNOWN, f"{verb}, but {reason}") if reason else (VerbClass.READ, verb)


def is_verb(word: str) -> bool:
    """Whether a word is one of the verbs that tools are named after."""
    return word in OBSERVE or word in COMPUTE or word in WRITE


def clears(tool: Tool) -> bool:
    """Whether the tool takes away what others have left behind (a history, a stack); a cache holds only copies."""
    words = _words(tool.name)
    return bool(CLEAR & set(words)) and not {"cache", "cached"} & set(words)


def keeps_account(tool: Tool) -> bool:
    """Whether the tool tells what calls were made, so that any call may change its answer."""
    return bool(JOURNAL & set(_words(tool.name)))


def takes_language(tool: Tool) -> bool:
    """Whether the tool takes a command, a query or the name of an action, so that no call tells what the next one will do."""
    return _language(tool, _verb(tool)[0]) is not None


def observes(tool: Tool) -> bool:
    """Whether the tool's verb only looks at things: what it does leaves nothing behind."""
    return _verb(tool)[0] in OBSERVE


def _verb(tool: Tool) -> tuple[str, bool]:
    """The verb of the name, else of the description's first word; and whether it stands at the head of the name."""
    words = _words(tool.name)
    connected = _CONNECTED.search("_".join(words))
    if connected and connected[1] in WRITE:
        return connected[1], True
    for position, word in enumerate(words):
        if is_verb(word):
            return word, position == 0 or position == len(words) - 1
    return _first_word(tool.description), True


def _first_word(description: str) -> str:
    """The first word of a description, if it is a verb, in its plain form."""
    for word in _words(description[:200])[:1]:
        for form in (
            [word, word[:-1], word[:-2]] if word.endswith("es") else [word, word[:-1]] if word.endswith("s") else [word]
        ):
            if is_verb(form):
                return form
    return ""


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _doubt(tool: Tool, verb: str) -> str:
    """Why a reading verb is not to be believed, or the empty string."""
    schema = tool.input_schema
    arguments = {"_".join(_words(name)): own for name, own in properties(schema, schema).items()}
    for name, own in arguments.items():
        place = name.endswith(("output", "_out")) and _PLACE.search(str(own.get("description", "")))
        if _SWITCH.match(name) or place:
            return f"it takes {name!r}"
    about = tool.description[:1500]
    language = _language(tool, verb)
    if language and not _READ_ONLY.search(about):
        return f"{language!r} may say anything"
    if verb in COMPUTE and any(_SESSION.search(name) for name in arguments):
        return "it works on a session"
    if verb in MUTABLE:
        handle = next((name for name in arguments if _HANDLE.search(name)), None)
        if handle or not arguments:
            return f"it may work on {handle!r} itself" if handle else "it is given nothing to work on"
    told = _first_word(tool.description)
    if told in WRITE - _CARRYING_OUT:
        return f"its description begins with {told!r}"
    said = next((found for found in _SAID.finditer(about) if not found["before"]), None)
    return "" if said is None else f"its description says {(said['told'] or said['third']).lower()!r}"


def _language(tool: Tool, verb: str) -> str | None:
    """The argument in which anything can be asked for, if there is one."""
    schema = tool.input_schema
    names = ["_".join(_words(name)) for name in properties(schema, schema)]
    found = next((name for name in names if _LANGUAGE.match(name)), None)
    if found is None and "query" in names and verb != "read":
        about = tool.description[:1500]
        named = re.search(r"\bsql\b", f"{tool.name} {about}", re.IGNORECASE)
        found = "query" if named or (verb == "query" and "database" in about.lower()) else None
    return found


def _arithmetic(tool: Tool, *, numbers_only: bool = False) -> bool:
    """Whether all that the tool takes is values to compute with, and sums are what its description speaks of."""
    schema = tool.input_schema
    known = properties(schema, schema)
    if not _SUMS.search(tool.description[:300]) or _SAID.search(tool.description[:1500]):
        return False
    if numbers_only:
        return bool(known) and all(_numeric(own, schema) and not _handle(name) for name, own in known.items())
    return all((_numeric(own, schema) and not _handle(name)) or name.lower() in VALUES for name, own in known.items())


def _handle(name: str) -> bool:
    return bool(_HANDLE.search("_".join(_words(name))))


def _numeric(own: JsonObject, schema: JsonObject) -> bool:
    types = types_of(own, schema)
    if types == {"array"}:
        items = own.get("items")
        return isinstance(items, dict) and _numeric(items, schema)
    return bool(types) and types <= {"number", "integer", "boolean"}
