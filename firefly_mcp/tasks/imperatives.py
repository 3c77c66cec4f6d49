"""Verbs of goals: which words are acts, how they are told to do, and with which verb a bare noun is asked for."""

from __future__ import annotations

import re

from firefly_mcp.state.verbs import is_verb

QUESTIONS = frozenset("how what where whether which who why".split())
EVENTS = frozenset(
    """analysis audit check clustering comparison conversion decomposition editing elimination imputation inspection
    interpolation lookup management model operations redaction regression search simulation test update validation""".split()
)
MEANS = frozenset(
    """algorithm approach calculations calculator converter equation formula function method procedure sieve solver
    technique theorem""".split()
)
"""What is used to find something; it is not what is found."""

_APPLIED = MEANS - {"calculations", "calculator", "converter", "function", "solver"}
_TOLD = frozenset(
    """baseline calendar catalog chart config configuration details documentation entrypoint fortune guide history info
    information link list overview profile report schema skeleton spec status summary table tree url version""".split()
)
_OTHER_VERBS = frozenset(
    """auto-fit drill express fire match substitute work append bundle cherry-pick clean combine compile conduct count
    crawl crop cross customize decompose draft draw echo emit enter evaluate fill blur filter find flatten flip
    sharpen watermark freeze gather give group guess highlight isolate label make manage map mask maximize minimize
    pack perform pick pivot print produce project protect prove raise report rationalize rebuild redact reduce reflect
    reshape resize restore reverse rotate stage specify strip overlay regenerate supply correct provision widen salvage
    scale scrub set shift shorten shuffle slice smooth swap tabulate take trim turn unpack use wrap""".split()
)
_IRREGULAR = {
    "return": "find",
    "returns": "find",
    "eval": "evaluate",
    "calc": "calculate",
    "is": "test for",
    "has": "look for",
    "lookup": "look up",
    "setup": "set up",
}
_ROMANCE = {
    "buscar": "search",
    "calcular": "calculate",
    "consultar": "look up",
    "contar": "count",
    "crear": "create",
    "criar": "create",
    "generar": "generate",
    "gerar": "generate",
    "listar": "list",
    "obtener": "get",
    "obter": "get",
    "validar": "validate",
    "verificar": "check",
}
_OBJECT_END = re.compile(r" (?:of|for|between|from|in|with|on|to|using|over|by|at|within) ")
HEAD_END = re.compile(r" (?:of|for|between|from|in|with|on|to|using|by|at|within|across|that|and|or|under|over|into|as) ")


def acts(verb: str) -> bool:
    """Whether a word is a verb of something that a tool does."""
    first = verb.split()[0]
    if first in QUESTIONS:
        return False
    return is_verb(first) or first in _OTHER_VERBS or first in _ROMANCE


def is_acronym(word: str) -> bool:
    """Whether a word is written in capitals after its first letter, or is a single letter."""
    return any(char.isupper() for char in word[1:]) or (len(word) == 1 and word != "A")


def imperative(word: str) -> str:
    """A verb as it is told to do: of ``returns`` it is ``find``, of ``Lists`` ``list``."""
    lower = word.lower() if not is_acronym(word) else word
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if re.search(r"(?:ss|us|is)$", lower) or not lower.endswith("s"):
        return lower
    if lower.endswith("ies"):
        return lower[:-3] + "y"
    return lower[:-2] if re.search(r"(?:sh|ch|x|ss|zz)es$", lower) else lower[:-1]


def named_verb(word: str) -> str:
    """The verb by which a tool's name begins, as it is told to do: of ``is`` it is ``test for``."""
    own = word.lower()
    return _IRREGULAR.get(own) or _ROMANCE.get(own, own)


def head(noun: str) -> str:
    """The noun that a phrase is about: of ``effect size for a test`` it is ``size``."""
    return HEAD_END.split(noun)[0].split()[-1]


def asked_for(noun: str, asking: str = "") -> str:
    """A goal that is told as a noun without its article, with the verb that suits it.

    Args:
        noun: ``previous business day``, ``sine function``, ``mortgage calculator``.
        asking: the verb of the tool's name, if that asks for something.
    """
    words = noun.split()
    if words[-1] in ("calculator", "converter") and len(words) > 1:
        words = words[:-1]
        noun = " ".join(words)
    about = _OBJECT_END.split(noun)[0].split()[-1].lower()
    if " vs " in noun:
        return f"compare {noun}"
    if about == words[-1] == "solver" and len(words) > 1:
        return f"solve the {' '.join(words[:-1])}"
    verb = _verb_for(about, asking)
    return f"{verb} {noun}" if words[0].endswith(("'s", "\N{RIGHT SINGLE QUOTATION MARK}s")) else f"{verb} the {noun}"


def _verb_for(noun: str, asking: str) -> str:
    """The verb that a noun is asked for with, the own one of a means or an event before the verb of the tool's name."""
    if noun in EVENTS:
        return "run"
    if noun == "function":
        return "evaluate"
    if noun in _APPLIED:
        return "apply"
    if asking:
        return asking
    if noun in _TOLD:
        return "get"
    return "find" if re.search(r"[^su]s$", noun) else "work out"
