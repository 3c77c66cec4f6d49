"""Selections: how a value is taken from a result so that anyone can take it again, and never by a bare index.

A selection is ``{"path": JSONPath, HOW, "take": JSONPath}`` with one HOW of ``only``, ``where``, ``argmin``, ``argmax`` or
``first``, or ``{"regex": pattern with one group}`` for prose. The path starts at ``structuredContent``, else at the JSON in
the text; ``take`` and the fields of HOW start at the selected item. ``"as": "number"`` reads the taken text as a number
(``1,234.50`` is 1234.5), ``"as": "text"`` writes a taken number as text. ``label`` says in words what is taken and selects
nothing.
"""

from __future__ import annotations

import re
from typing import Any

import jsonpath

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.observe import View, find_all, informative, json_path, number_in, result_text, result_view, walk
from firefly_mcp.observe.leaves import Step
from firefly_mcp.tasks.model import same_value

HOWS = ("only", "where", "argmin", "argmax", "first")


class SelectionError(Exception):
    """The selection finds nothing, or more than one thing. The text says which."""


def select(result: JsonObject, selection: JsonObject) -> JSON:
    """Take the selected value from a result.

    Raises:
        SelectionError: nothing, or not exactly one thing, is selected.
    """
    if "regex" in selection:
        return _read_as(_by_regex(result_text(result), str(selection["regex"])), selection)
    return _read_as(select_in(result_view(result), selection), selection)


def select_in(view: View, selection: JsonObject) -> JSON:
    """The same for a result's view."""
    path = str(selection.get("path", "$"))
    if view.kind in ("text", "empty"):
        raise SelectionError(f"{path}: the result is not JSON")
    items = _find(path, view.value)
    if not items:
        raise SelectionError(f"{path}: finds nothing")
    try:
        item = _choose(items, selection, path)
    except TypeError as error:
        raise SelectionError(f"{path}: the items cannot be put in one order ({error})") from error
    take = str(selection.get("take", "$"))
    taken = _find(take, item)
    if len(taken) != 1:
        raise SelectionError(f"{take}: finds {len(taken)} values in the selected item, not one")
    return taken[0]


def _read_as(value: JSON, selection: JsonObject) -> JSON:
    form = selection.get("as")
    if form == "number" and isinstance(value, str):
        number = number_in(value.replace(",", ""))
        if number is None:
            raise SelectionError(f"{value[:40]!r} is not a number")
        return number
    if form == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return value


def _choose(items: list[Any], selection: JsonObject, path: str) -> Any:
    if selection.get("only"):
        if len(items) != 1:
            raise SelectionError(f"{path}: finds {len(items)} values, not one")
        return items[0]
    if "where" in selection:
        fits = [item for item in items if all(_holds(item, term) for term in selection["where"])]
        if len(fits) != 1:
            raise SelectionError(f"{path}: {len(fits)} items satisfy the condition, not one")
        return fits[0]
    for how, best in (("argmin", min), ("argmax", max)):
        if how in selection:
            ranked = [(_one(selection[how], item), item) for item in items]
            extreme = best(value for value, _ in ranked)
            fits = [item for value, item in ranked if value == extreme]
            if len(fits) != 1:
                raise SelectionError(f"{path}: {len(fits)} items share the {how} of {selection[how]}")
            return fits[0]
    if "first" in selection:
        order = selection["first"]
        keyed = sorted(((_one(order["by"], item), index) for index, item in enumerate(items)), reverse=bool(order.get("desc")))
        if len(keyed) > 1 and keyed[0][0] == keyed[1][0]:
            raise SelectionError(f"{path}: two items are first by {order['by']}")
        return items[keyed[0][1]]
    raise SelectionError(f"{path}: the selection does not say which item")


def _holds(item: Any, term: JsonObject) -> bool:
    found = _find(str(term["field"]), item)
    return len(found) == 1 and same_value(found[0], term["equals"])


def _one(path: Any, item: Any) -> Any:
    found = _find(str(path), item)
    if len(found) != 1 or isinstance(found[0], bool | dict | list) or found[0] is None:
        raise SelectionError(f"{path}: cannot be compared in every item")
    return found[0]


def _find(path: str, value: Any) -> list[Any]:
    try:
        return find_all(path, value)
    except jsonpath.JSONPathError as error:
        raise SelectionError(f"{path}: not a JSONPath ({error})") from error


def _by_regex(text: str, pattern: str) -> JSON:
    try:
        found = {match.group(1) for match in re.finditer(pattern, text)}
    except (re.error, IndexError) as error:
        raise SelectionError(f"regex {pattern!r}: {error}") from error
    if len(found) != 1:
        raise SelectionError(f"regex {pattern!r}: finds {len(found)} different values, not one")
    return found.pop()


_LETTER = re.compile(r"[^\W\d_]")


def selection_for(view: View, steps: tuple[Step, ...]) -> JsonObject | None:
    """A selection that finds the value at ``steps`` and no other, or None.

    A place in a list is described by what is particular to it: it is the only item, a sibling field has a value that no
    other item has, or a numeric sibling is the smallest or largest. Of lists within lists the items of all are taken
    together; where each inner list holds one item, it is the outer one that is described. A place under a key without any
    letter (``{"2027": 5}``) has no name that a request could say.
    """
    if any(isinstance(step, str) and not _LETTER.search(step) for step in steps):
        return None
    places = [place for place, step in enumerate(steps) if isinstance(step, int)]
    if not places:
        return {"path": json_path(steps), "only": True}
    for at in reversed(places):
        rest = steps[at + 1 :]
        items = _alike(view.value, steps[: at + 1])
        own = _reached(view.value, steps[: at + 1])
        if own is _NOTHING or len(items) > MOST_ITEMS:
            return None
        if any(isinstance(step, int) for step in rest) and len(_alike(own, rest)) != 1:
            continue
        index = next(place for place, item in enumerate(items) if item is own)
        take = _pattern(rest)
        how = _particular(items, index, take)
        if how is not None:
            return {"path": _pattern(steps[: at + 1]), **how, "take": take}
    return None


MOST_ITEMS = 400
"""Longer lists are not looked through for what is particular to one item."""
_NOTHING: Any = object()


def _pattern(steps: tuple[Step, ...]) -> str:
    """The JSONPath of steps with every place in a list as ``[*]``."""
    parts = json_path(tuple(-1 if isinstance(step, int) else step for step in steps))
    return parts.replace("[-1]", "[*]")


def _alike(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    """What the pattern of ``steps`` finds, in document order."""
    found = [value]
    for step in steps:
        if isinstance(step, int):
            found = [item for each in found if isinstance(each, list) for item in each]
        else:
            found = [each[step] for each in found if isinstance(each, dict) and step in each]
    return found


def _reached(value: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value


def _particular(items: list[Any], index: int, take: str) -> JsonObject | None:
    if len(items) == 1:
        return {"only": True}
    item = items[index]
    if not isinstance(item, dict):
        return _place_of_scalar(items, index)
    flat = [(steps, value) for steps, value in walk(item) if steps and not isinstance(value, dict | list)]
    flat = [(steps, value) for steps, value in flat if not any(isinstance(step, int) for step in steps)]
    places = [(json_path(steps), steps, value) for steps, value in flat if json_path(steps) != take]
    for path, steps, value in sorted(places, key=lambda place: _clumsiness(place[0], place[2])):
        if stateable(value) and sum(same_value(_follow(other, steps), value) for other in items) == 1:
            return {"where": [{"field": path, "equals": value}]}
    for path, _, value in places:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = _extreme(items, index, path)
            if found is not None:
                return found
    return None


def _follow(item: Any, steps: tuple[Step, ...]) -> Any:
    """The value at plain steps inside an item, None when there is none."""
    for step in steps:
        if not isinstance(item, dict):
            return None
        item = item.get(str(step))
    return item


def _place_of_scalar(items: list[Any], index: int) -> JsonObject | None:
    """A number that is the lowest or highest, a text that is the first or last in alphabetical order."""
    item = items[index]
    if isinstance(item, int | float) and not isinstance(item, bool):
        return _extreme(items, index, "$")
    texts = isinstance(item, str) and all(isinstance(other, str) for other in items)
    if texts and items.count(item) == 1 and item in (min(items), max(items)):
        return {"first": {"by": "$", "desc": item == max(items)}}
    return None


def _clumsiness(path: str, value: Any) -> tuple[int, int, float]:
    """How badly a condition on this field would read: names and dates before numbers, codes and hashes last."""
    name = path.rsplit(".", 1)[-1].lower()
    named = any(word in name for word in ("name", "title", "label", "date", "email", "subject", "city", "question"))
    text = str(value)
    code = isinstance(value, str) and (bool(re.fullmatch(r"[0-9a-f-]{12,}", text)) or not re.search(r"[a-z]{3}", text, re.I))
    return (
        0 if named else 1 if isinstance(value, str) and not code else 2 if not code else 3,
        len(text) // 12,
        -informative(value),
    )


def _extreme(items: list[Any], index: int, path: str) -> JsonObject | None:
    try:
        values = [_one(path, item) for item in items]
    except SelectionError:
        return None
    if not all(isinstance(value, int | float) for value in values) or values.count(values[index]) != 1:
        return None
    if values[index] == max(values):
        return {"argmax": path}
    return {"argmin": path} if values[index] == min(values) else None


def stateable(value: Any) -> bool:
    """Whether a request can state the value as it is: a number, a boolean, or a short line without quotes."""
    if isinstance(value, str):
        return 0 < len(value) <= 140 and value == value.strip() and not re.search(r'["“”\n\r\t\x00-\x1f]', value)
    return isinstance(value, bool | int | float)
