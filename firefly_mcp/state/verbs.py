"""What the verb of a tool's name (or the first word of its description) says of its effect. The weakest evidence."""

from __future__ import annotations

import re
from enum import StrEnum

from firefly_mcp.types import Tool


class VerbClass(StrEnum):
    """What a verb lets us expect."""

    READ = "read"
    WRITE = "write"
    UNKNOWN = "unknown"


_READ = frozenset(
    """analyse analyze ask calc calculate check classify compare compute convert count decode describe detect diff
    divide encode estimate evaluate examine explain explore extract fetch find forecast format generate get grep hash
    help identify info inspect is list look lookup measure multiply parse peek ping plan predict preview profile query
    rank read recommend render resolve retrieve return returns round scan score search select show simulate solve sort
    split stat stats status subtract suggest sum summarize tell test transcribe transform translate validate verify
    view what who""".split()
)
_WRITE = frozenset(
    """accept add allocate append apply approve archive assign attach book build cancel change charge clear clone close commit
    complete configure connect copy create deactivate delete deploy deposit disable disconnect dismiss drop edit empty enable
    enqueue execute export forget import increment index init insert install issue join launch link load lock log login logout
    mark merge modify move mutate notify open patch pause pay place pop post process propose provision publish purge push put
    record redo refund register reject release remove rename reopen replace reply reset restart restore resume revoke rollback
    run save schedule send set setup share start stop store submit subscribe swap switch sync tag toggle transfer trigger
    truncate undo uninstall unlink unlock unsubscribe update upgrade upload upsert withdraw write""".split()
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def verb_class(tool: Tool) -> tuple[VerbClass, str]:
    """The class of the first known verb, and that verb; the name is asked before the description.

    Returns:
        ``(UNKNOWN, "")`` when no word is known.
    """
    for words in (_WORD.findall(tool.name), _WORD.findall(tool.description)[:1]):
        for word in words:
            for form in _forms(word.lower()):
                if form in _WRITE:
                    return VerbClass.WRITE, form
                if form in _READ:
                    return VerbClass.READ, form
    return VerbClass.UNKNOWN, ""


def is_verb(word: str) -> bool:
    """Whether a word is one of the verbs that tools are named after."""
    return word in _READ or word in _WRITE


def _forms(word: str) -> list[str]:
    """The word, and its stem where it ends in the third person's ``s``."""
    return [word, word[:-1], word[:-2]] if word.endswith("es") else [word, word[:-1]] if word.endswith("s") else [word]
