"""Where a result shows the values that somebody asks for: its fields, or places in its prose."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass

from firefly_mcp.canonical import canonical_json
from firefly_mcp.observe.leaves import Step, name_of, walk
from firefly_mcp.observe.prose import Found, values_in
from firefly_mcp.observe.values import Key, family, value_key
from firefly_mcp.observe.view import View, result_view
from firefly_mcp.types import Call

LIMIT = 5000
_PLACES = 4
_NOT_WORD = re.compile(r"[\W_]+")
_BEFORE = re.compile(r"([\w ]{1,40}?)[\W_]{1,8}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a value: ``steps`` into the data, or ``found`` in a text; ``name`` is the folded name beside it."""

    steps: tuple[Step, ...] | None
    name: str
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A value that the result of ``call`` shows, in one or a few differently named places, the first in the document first.

    ``text`` is the prose that places with ``found`` are in. ``alike`` counts the different values of the same small family
    (dates, short numbers) in the result; 1 for values of no such family.
    """

    call: Call
    places: tuple[Place, ...]
    text: str = ""
    alike: int = 1

    def place(self, name: str) -> Place:
        """The place that bears ``name``, or the first."""
        return next((place for place in self.places if place.name == name), self.places[0])


def folded(name: str) -> str:
    """A name as it is compared: ``search_type``, ``searchType`` and ``Search type`` are one."""
    return _NOT_WORD.sub("", name).lower()


def shown(call: Call, wanted: Set[Key], *, containers: bool) -> dict[Key, Source]:
    """The ``wanted`` values that a call's result shows, in document order.

    Args:
        call: the call.
        wanted: keys of :func:`~firefly_mcp.observe.values.value_key`.
        containers: whether arrays and objects are among them; looking for none is faster.
    """
    view = result_view(call.result)
    if view.kind == "text":
        places = _in_text(view.value, wanted) if isinstance(view.value, str) else {}
    else:
        places = _in_data(view, wanted, containers)
    text = view.value if view.kind == "text" and isinstance(view.value, str) else ""
    families = _families(view) if any(family(key) for key in places) else {}
    return {key: Source(call, tuple(at), text, families.get(family(key), 1)) for key, at in places.items()}


def _in_text(text: str, wanted: Set[Key]) -> dict[Key, list[Place]]:
    places: dict[Key, list[Place]] = {}
    for item in values_in(text, limit=LIMIT):
        key = value_key(item.value)
        if key in wanted and key is not None:
            label = _BEFORE.search(text[max(0, item.start - 50) : item.start])
            _add(places, key, Place(None, folded(label[1]) if label else "", item))
    return places


def _in_data(view: View, wanted: Set[Key], containers: bool) -> dict[Key, list[Place]]:
    places: dict[Key, list[Place]] = {}
    for count, (steps, value) in enumerate(walk(view.value)):
        if count > 2 * LIMIT:
            break
        if isinstance(value, dict | list):
            if containers and 1 < len(value) <= 1000:
                key: Key | None = canonical_json(value)
                if key in wanted and key is not None:
                    _add(places, key, Place(steps, folded(name_of(steps))))
            continue
        key = value_key(value)
        if key in wanted and key is not None:
            _add(places, key, Place(steps, folded(name_of(steps))))
    return places


def _add(places: dict[Key, list[Place]], key: Key, place: Place) -> None:
    known = places.setdefault(key, [])
    if len(known) < _PLACES and all(place.name != other.name for other in known):
        known.append(place)


def _families(view: View) -> dict[str, int]:
    """How many different values of each small family a result shows."""
    members: dict[str, set[Key]] = defaultdict(set)
    if view.kind == "text":
        keys = (value_key(item.value) for item in values_in(str(view.value), limit=LIMIT))
    else:
        leaves = (value for _, (_, value) in zip(range(2 * LIMIT), walk(view.value), strict=False))
        keys = (value_key(value) for value in leaves if not isinstance(value, dict | list))
    for key in keys:
        name = family(key)
        if name and key is not None:
            members[name].add(key)
    return {name: len(found) for name, found in members.items()}
