"""The goal of a tool in plain words: of what its description, title and name offer, the best."""

from __future__ import annotations

import re
from functools import lru_cache

from firefly_mcp.state.verbs import is_verb
from firefly_mcp.tasks.imperatives import EVENTS, HEAD_END, MEANS, QUESTIONS, acts, asked_for, head, named_verb
from firefly_mcp.tasks.labels import label as label
from firefly_mcp.tasks.labels import path_label as path_label
from firefly_mcp.tasks.phrases import DANGLING, LATE_VERBS, SHOUTED, phrase, with_article
from firefly_mcp.types import Tool

_FINDS = re.compile(r"(?:find|get|calculate|compute|work out|determine|count|retrieve|fetch|show) the (.+)")


def goal(tool: Tool) -> str:
    """What a tool does, as an imperative without a full stop: ``find the next business day``."""
    return goals(tool)[0]


def short_goal(tool: Tool) -> str:
    """The same in as few words as its description or title allows; its name only where both are silent or long."""
    told = goals(tool)[:-1] or goals(tool)
    plain = [said for said in told if not said.startswith("work out the ")]
    return min(plain or told, key=lambda said: (len(said.split()), len(said)))


def outcome(tool: Tool) -> str:
    """What the tool finds, where its goal says so, else ``""``: of ``find the weekday name for a date`` the weekday name."""
    found = _FINDS.fullmatch(goal(tool))
    noun = HEAD_END.split(found.group(1))[0].split() if found else []
    return " ".join(noun) if 1 <= len(noun) <= 4 and noun[-1].lower() not in DANGLING | EVENTS | MEANS else ""


def sought(said: str) -> str:
    """The noun phrase of a goal that finds something, with its article: ``the weekday name for a date``; else ``""``."""
    found = _FINDS.fullmatch(said)
    if found is None or head(found.group(1)).lower() in MEANS | EVENTS:
        return ""
    return said[found.start(1) - 4 :]


def goals(tool: Tool) -> tuple[str, ...]:
    """Every goal that the tool's description, title and name offer, the best first."""
    return _goals(tool.server, tool.name, tool.title or "", tool.description)


@lru_cache(maxsize=20_000)
def _goals(server: str, name: str, title: str, description: str) -> tuple[str, ...]:
    by_name = _from_name(server, name, f"{title} {description}")
    verb = by_name.split()[0]
    if not (acts(label(name).split()[0].lower()) or verb in name.lower()):
        verb = ""  # ours, not the name's
    described = phrase(description, verb, description)
    # A title made of the name, perhaps with its group before it ("Textextraction  Ocr Pdf"), says no more than the name.
    same = "__" in name or (described and label(title).lower() == label(name).lower())
    found = [described, "" if same else phrase(_with_acronyms(title, description), verb, description)]
    told = [said for said in found if said and not ("_" in name and name.lower() in said.lower())]
    return (*dict.fromkeys(told), by_name)


def _from_name(server: str, name: str, told: str) -> str:
    """The goal by the tool's name: its verb first, without the words of the server's own name before it.

    A word that ``told``, title and description, write in capitals is an acronym.
    """
    words = _with_acronyms(label(name.rsplit("__", 1)[-1]), told).split()
    own = set(re.findall(r"[a-z]+", server.lower()))
    core = own - {"mcp", "server", "tools", "lite", "py"}
    while words[0].lower() in own and not is_verb(words[0].lower()) and len(words) > (1 if core == {words[0].lower()} else 2):
        words.pop(0)
    if words[0].lower() in QUESTIONS:
        return f"find out {' '.join(words)}"
    late = (at for at, word in enumerate(words) if at and at in (1, 2, len(words) - 1) and word.lower() in LATE_VERBS)
    acronym = words[0].isupper() and len(words[0]) > 1  # FIRE is no act
    noun = acronym or words[0].lower() == "return"  # as in a tax return
    place = 0 if acts(words[0].lower()) and not noun else next(late, None)
    if len(words) == 1 and place == 0:
        return named_verb(words[0])
    if place is None or len(words) == 1:
        while len(words) > 1 and words[-1].lower() in DANGLING:
            words.pop()
        return asked_for(" ".join(words))
    while len(words) > 2 and words[-1].lower() in DANGLING:
        words.pop()
    verb = named_verb(words[place])
    rest = words[:place] + words[place + 1 :]
    return with_article(" ".join([verb, *rest])) if place == 0 else " ".join([verb, "the", *rest])


def _with_acronyms(said: str, told: str) -> str:
    """The words with those in capitals that are so in another text, where that does not shout."""
    capitals = set(re.findall(r"\b[A-Z]{2,5}\b", told)) - SHOUTED
    return " ".join(word.upper() if word.upper() in capitals else word for word in said.split())
