"""What to call first when a call was refused: a tool that the error names, or one that makes or lists what was not found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from firefly_agents.offline import errors
from firefly_agents.offline.memory import blamed, scalars
from firefly_agents.offline.slots import ToolInfo
from firefly_agents.offline.words import telling, words
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import ToolKey

MAKES = frozenset("create add new make register insert put write save define init open start upload import load set".split())
_LISTS = frozenset("list get search find all browse show".split())
_FIRST = re.compile(r"(?i)([^.;:]*\bfirst\b[^.;:]*)")
_LITTLE = frozenset("the a an to of".split())
_UNDONE = re.compile(
    r"(?i)\b(?:no|not)\b[ \w]{0,20}?(\b\w+)? (?:is |are |been |currently |has been )*"
    r"(loaded|opened|open|initiali[sz]ed|created|started|connected|imported|selected|set)\b"
)
_VERBS = {
    "loaded": "load",
    "opened": "open",
    "open": "open",
    "initialized": "init",
    "initialised": "init",
    "created": "create",
    "started": "start",
    "connected": "connect",
    "imported": "import",
    "selected": "select",
    "set": "set",
}
_MISSING = re.compile(r"(?i)\b(?:no|not|without|empty|first|before|missing|nothing|out of range|have 0)\b")


def remedies(tool: ToolInfo, arguments: JsonObject, error: str, tools: Mapping[ToolKey, ToolInfo]) -> list[ToolKey]:
    """The tools of the same server that promise to mend a failed call, the likeliest first; two at most.

    Args:
        tool: what was called.
        arguments: with what.
        error: what it said.
        tools: those that may be called.
    """
    others = {key: info for key, info in tools.items() if key.server == tool.key.server and key != tool.key}
    named = [
        key
        for key, info in others.items()
        if (key.tool in error or info.name in error)
        and re.search(rf"(?<![\w-])(?:{re.escape(key.tool)}|{re.escape(info.name)})(?![\w-])", error[:1000])
    ]
    if named:
        return named[:2]
    told = set(words(" ".join(_FIRST.findall(error[:1000]))))
    spoken = [
        key for key in others if 0 < len(set(words(key.tool)) - _LITTLE) <= len(told) and set(words(key.tool)) - _LITTLE <= told
    ]
    if spoken:
        return sorted(spoken, key=lambda key: -len(set(words(key.tool)) & told))[:2]
    undone = _UNDONE.search(error[:600])
    verb = _VERBS.get(undone[2].lower(), "") if undone else ""
    able = [key for key in others if verb and verb in words(key.tool)[:3]]
    if undone and able:
        thing = telling(undone[1] or "")
        return sorted(able, key=lambda key: (-len(thing & telling(key.tool)), len(others[key].needed())))[:2]
    if not _MISSING.search(error[:600]):
        return []
    unknown = "unknown" in errors.refused_kinds(error[:1000])
    about: set[str] = set()
    for pointer, _ in blamed(error, scalars(arguments)) if unknown else ():
        about |= telling(pointer.rsplit("/", 1)[-1])
    about -= {"id", "name", "key", "path", "file"}
    if not about:
        # ``No session. Start one first``: the thing that is missing is named in the prose.
        about = set(telling(error[:200])) & set(telling(tool.key.tool) | _things(others))
    scored = [(_promise(info, about), key) for key, info in others.items()]
    return [key for score, key in sorted(scored, key=lambda item: -item[0]) if score > 0][:2]


def _things(tools: Mapping[ToolKey, ToolInfo]) -> frozenset[str]:
    """What the tools of a server are about, by the names of those that make or list something."""
    found: set[str] = set()
    for key in tools:
        said = set(words(key.tool))
        if said & (MAKES | _LISTS):
            found |= telling(key.tool) - MAKES - _LISTS
    return frozenset(found)


def _promise(info: ToolInfo, about: Iterable[str]) -> float:
    said = set(words(info.key.tool))
    hits = said & set(about)
    if not hits:
        return 0.0
    # Making one needs no more than it says; a list may be empty in a fresh sandbox.
    verb = 1.0 if said & MAKES else 0.6 if said & _LISTS else 0.0
    beside = len(said - hits - MAKES - _LISTS)
    needed = [slot for slot in info.needed() if slot.identifies or telling(slot.name) & set(about) - {"name", "title"}]
    return max(0.0, verb - 0.2 * beside - 0.15 * len(needed) - 0.02 * len(info.needed()))
