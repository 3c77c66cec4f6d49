"""The determinacy gate: every selection is unique, is no bare index, and says in the request how it chooses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.gates.observed import Observed
from firefly_mcp.tasks.literals import predicates
from firefly_mcp.tasks.model import Task, Verdict
from firefly_mcp.tasks.selection import HOWS, SelectionError, select
from firefly_mcp.tasks.slots import difference

_NAMES_AND_ALL = re.compile(r"\$(?:\.[^\s.\[\]'\"*]+|\['(?:[^'\\]|\\.)*'\]|\[\*\])*\Z")
"""A path of names and ``[*]``: an index, a slice or a filter would choose by what the request does not say."""
_EITHER = "first last best top alphabetical alphabetically oldest youngest"
_LOW = frozenset(
    f"""{_EITHER} lowest smallest least minimum minimal min cheapest earliest shortest fewest slowest nearest closest lightest
    soonest coldest coolest weakest narrowest bottom lower smaller less fewer cheaper earlier sooner shorter""".split()
)
_HIGH = frozenset(
    f"""{_EITHER} highest largest greatest biggest most maximum maximal max dearest latest longest newest fastest farthest
    furthest heaviest hottest warmest strongest widest tallest richest recent recently priciest higher larger greater more later
    longer newer""".split()
)


def determinacy_gate(task: Task, seen: Observed) -> Verdict:
    """Each selection says how it chooses, in the request as well, and chooses exactly one value."""
    count = 0
    words = set(re.findall(r"[a-z]+", task.request.lower()))
    for node, selection in _selections(task):
        count += 1
        trouble = _form(selection) or _unsaid(selection, task.request, words)
        if not trouble:
            try:
                select(seen.result(node), selection)
            except (SelectionError, KeyError) as error:
                trouble = str(error)
        if trouble:
            return Verdict(gate="determinacy", passed=False, reason=f"{node}: {trouble}")
    return Verdict(gate="determinacy", passed=True, reason=f"{count} selections give one value each, as the request says")


def _selections(task: Task) -> Iterator[tuple[str, JsonObject]]:
    for node in task.plan:
        for binding in node.bindings:
            yield binding.source, binding.select
    for proof in task.evidence.values():
        yield proof.node, proof.select


def _form(selection: JsonObject) -> str:
    """What is wrong with the selection itself, or the empty string."""
    if "regex" in selection:
        return ""
    hows = [how for how in HOWS if how in selection]
    if len(hows) != 1:
        return f"a selection must have one of {', '.join(HOWS)}"
    if selection.get("only") is False or selection.get("where") == []:
        return f"{hows[0]!r} says nothing"
    for path in _paths(selection):
        if not _NAMES_AND_ALL.match(path):
            return f"{path} is not made of names and [*] alone; a bare index tells nobody which item is meant"
    return ""


def _paths(selection: JsonObject) -> Iterator[str]:
    yield str(selection.get("path", "$"))
    yield str(selection.get("take", "$"))
    for field, _ in predicates(selection):
        yield field
    for how in ("argmin", "argmax"):
        if how in selection:
            yield str(selection[how])
    if "first" in selection:
        yield str(selection["first"]["by"])


def _unsaid(selection: JsonObject, request: str, words: set[str]) -> str:
    """What of the choice the request does not say, or the empty string."""
    missing, _ = difference([value for _, value in predicates(selection)], request)
    if missing:
        return f"the request does not state the condition {missing[0]!r}"
    low, high = words & _LOW, words & _HIGH
    if "argmin" in selection and not low:
        return f"the request does not say that the lowest {selection['argmin']} is meant"
    if "argmax" in selection and not high:
        return f"the request does not say that the highest {selection['argmax']} is meant"
    if "first" in selection and not (low or high):
        return f"the request does not say in which order of {selection['first']['by']} the item comes first"
    return ""
