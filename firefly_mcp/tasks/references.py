"""How a value taken from a step's result is said: its label, and which of several items it belongs to."""

from __future__ import annotations

import re

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.frames import EXTREME, IN_ORDER, NAMED, WHERE, WHICH, Choice, Frames
from firefly_mcp.tasks.labels import item_label, listed, path_label, with_unit
from firefly_mcp.tasks.literals import predicates
from firefly_mcp.tasks.slots import written

_NAMED = {"name": "named", "title": "titled", "label": "labelled"}
_SINGLE = re.compile(r"[A-Za-z]\d?")


def select_label(select: JsonObject) -> str:
    """What a selection takes, in plain words."""
    if "regex" in select or "label" in select:
        said = str(select.get("label") or "value")
        return said.removeprefix("parsed content ").removeprefix("structured content ")
    keys = keys_of(str(select.get("path", "$"))) + keys_of(str(select.get("take", "$")))
    return item_label(keys) if select.get("take") == "$" else path_label(keys)


def taken(select: JsonObject, called: str, choice: Choice, *, aside: bool = False) -> str:
    """The selected value with what tells its item from the others, without an article before it; ``aside`` in parentheses."""
    terms = list(predicates(select))
    if terms:
        item = _item(select)
        labels = [path_label(keys_of(field)) for field, _ in terms]
        said = listed([stated(name, value) for name, (_, value) in zip(labels, terms, strict=True)])
        if len(terms) == 1 and labels[0] in _NAMED:
            which = choice.of(NAMED).format(item=item, named=_NAMED[labels[0]], value=written(terms[0][1]))
        else:
            which = choice.of(WHICH).format(item=item, conditions=said)
        # "the total for total 5" would say nothing of the item.
        ways = [way for way in WHERE if called not in labels or "{which}" in way[1]]
        return choice.of(_plain(ways, aside=aside)).format(of=called, which=which, conditions=said)
    if "first" in select:
        return choice.of(_plain(IN_ORDER, aside=aside)).format(
            of=called, nth="last" if select["first"].get("desc") else "first"
        )
    for how, most in (("argmin", "lowest"), ("argmax", "highest")):
        if how in select:
            if select[how] == "$":
                return f"{most} {called}"
            by, _ = with_unit(path_label(keys_of(str(select[how]))))
            return choice.of(_plain(EXTREME, aside=aside)).format(of=called, item=_item(select), most=most, by=by)
    return called


def _plain(ways: Frames, *, aside: bool) -> Frames:
    """The frames that can stand in parentheses when what is said stands there already."""
    return [way for way in ways if "(" not in way[1]] if aside else ways


def stated(label: str, value: object) -> str:
    """A literal under its label: ``weight 82 kg``, ``x=5``, ``name "Ann"``."""
    said = written(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        base, unit = with_unit(label)
        return f"{label}={said}" if _SINGLE.fullmatch(label) else f"{base} {said} {unit}".rstrip()
    return f"{label} {said}"


def _item(select: JsonObject) -> str:
    return item_label(keys_of(str(select.get("path", "$"))))


def keys_of(path: str) -> list[str]:
    """The object keys of one of our JSONPaths (``$.a['b c'][*]``)."""
    keys: list[str] = []
    rest = path[1:]
    while rest:
        if rest.startswith("."):
            end = min((at for at in (rest.find(".", 1), rest.find("[", 1)) if at > 0), default=len(rest))
            keys.append(rest[1:end])
            rest = rest[end:]
        elif rest.startswith("['"):
            end = rest.find("']")
            keys.append(rest[2:end])
            rest = rest[end + 2 :]
        else:
            rest = rest[rest.find("]") + 1 :]
    return keys
