"""Changed calls: *positives* ask what a recorded call asks in another form, *negatives* something else in nearly the same."""

from __future__ import annotations

import copy
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from benchmarks.complexfuncbench import Recorded
from benchmarks.wordings import PLACE_WORDINGS, REQUESTS, concierge, slots
from firefly_mcp.canonical import hash_json

_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d:\d\d")
_MONTHS = "January February March April May June July August September October November December".split()
_ID = re.compile(r"(^|_)(id|slug|key|token)$|Id$|Token$", re.IGNORECASE)
_PATH_ARGUMENT = "path"


@dataclass(frozen=True)
class Variant:
    """A call to be asked. ``base`` is the recorded call that it was made from; ``same`` tells whether that may answer it."""

    kind: str
    base: Recorded
    arguments: dict[str, Any]
    same: bool


Change = Callable[[Recorded, dict[str, Any], random.Random], "dict[str, Any] | None"]
Tools = dict[str, dict[str, Any]]


def canonical(tool: str, arguments: dict[str, Any]) -> str:
    """A call's text: what is equal here is one call."""
    return json.dumps([tool, arguments], sort_keys=True)


def draw(calls: list[Recorded], changes: dict[str, Change], count: int, seed: int, tools: Tools, same: bool) -> list[Variant]:
    """``count`` variants of each kind, over calls drawn at random; negatives that were recorded themselves are left out."""
    recorded = {canonical(call.tool, call.arguments) for call in calls}
    found: list[Variant] = []
    for kind, change in changes.items():
        source = random.Random(f"{seed} {kind}")
        made, tries = 0, 0
        while made < count and tries < count * 200:
            tries += 1
            base = source.choice(calls)
            arguments = change(base, tools[base.tool], source)
            text = None if arguments is None else canonical(base.tool, arguments)
            if arguments is None or (same and list(arguments) == list(base.arguments) and arguments == base.arguments):
                continue
            if not same and text in recorded:
                continue
            found.append(Variant(kind, base, arguments, same))
            made += 1
    return found


def leaves(value: Any, name: str = "", steps: tuple[Any, ...] = ()) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Scalars with their nearest key and their steps."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key, (*steps, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, name, (*steps, number))
    else:
        yield name, steps, value


def put(arguments: dict[str, Any], steps: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with one value changed."""
    changed = copy.deepcopy(arguments)
    node: Any = changed
    for step in steps[:-1]:
        node = node[step]
    node[steps[-1]] = value
    return changed


def _some(call: Recorded, source: random.Random, fits: Callable[[str, Any], bool]) -> tuple[tuple[Any, ...], Any] | None:
    found = [(steps, value) for name, steps, value in leaves(call.arguments) if fits(name, value)]
    return source.choice(found) if found else None


def _one(fits: Callable[[str, Any], bool], change: Callable[[Any, random.Random], Any]) -> Change:
    def made(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
        found = _some(call, source, fits)
        if found is None:
            return None
        value = change(found[1], source)
        return None if value == found[1] and type(value) is type(found[1]) else put(call.arguments, found[0], value)

    return made


def _property(tool: dict[str, Any], name: str) -> dict[str, Any]:
    found = tool["inputSchema"]["properties"].get(name, {})
    return found if isinstance(found, dict) else {}


# Positives


def key_order(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
    """The same arguments in another order."""
    names = list(call.arguments)
    source.shuffle(names)
    return {name: call.arguments[name] for name in names} if names != list(call.arguments) else None


def defaults(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
    """A default given that was left out, or left out that was given."""
    known = {name: own["default"] for name, own in tool["inputSchema"]["properties"].items() if "default" in own}
    absent = [name for name in known if name not in call.arguments]
    given = [name for name in known if call.arguments.get(name) == known[name]]
    if not absent and not given:
        return None
    name = source.choice(absent + given)
    if name in given:
        return {key: value for key, value in call.arguments.items() if key != name}
    return {**call.arguments, name: known[name]}


def number_format(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
    """A number as text, with a decimal point or with thousands apart, where the schema wants a number."""
    found = [
        name
        for name, value in call.arguments.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and _property(tool, name).get("type") == "number"
    ]
    if not found:
        return None
    name = source.choice(found)
    value = call.arguments[name]
    forms: list[Any] = [str(value)]
    if isinstance(value, int):
        forms += [f"{value}.0", f"{value:,}", f"{value}.00"]
    return {**call.arguments, name: source.choice(forms)}


def _date_form(value: str, source: random.Random) -> str:
    year, month, day = (int(part) for part in value.split("-"))
    name = _MONTHS[month - 1]
    return source.choice(
        [f"{name[:3]} {day}, {year}", f"{day} {name} {year}", f"{name} {day}, {year}", f"{year}/{month}/{day}",
         f"{day} {name[:3]} {year}", f"{year}{month:02}{day:02}"]
    )  # fmt: skip


def _clock_form(value: str, source: random.Random) -> str:
    hour, minute = int(value[:2]), value[3:]
    half = "AM" if hour < 12 else "PM"
    return source.choice([f"{hour}:{minute}", f"{(hour + 11) % 12 + 1}:{minute} {half}", f"{value}:00"])


def _spaced(value: str, source: random.Random) -> str:
    return source.choice([f" {value}", f"{value} ", f"{value}\n"])


def enum_case(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
    """An enum's value in another case."""
    found = [name for name, value in call.arguments.items() if value in (_property(tool, name).get("enum") or [])]
    if not found:
        return None
    name = source.choice(found)
    return {**call.arguments, name: call.arguments[name].swapcase()}


def is_free(name: str, value: Any) -> bool:
    """Whether an argument of these tools is free text."""
    return isinstance(value, str) and name in ("query", "request")


def _place(name: str, value: Any) -> bool:
    return name == "query" and isinstance(value, str) and not value.startswith("$")


def positives(split: str) -> dict[str, Change]:
    """Changes of form, by kind."""
    return {
        "key order": key_order,
        "defaults": defaults,
        "number format": number_format,
        "date format": _one(lambda _, value: isinstance(value, str) and bool(_ISO.fullmatch(value)), _date_form),
        "time format": _one(lambda _, value: isinstance(value, str) and bool(_CLOCK.fullmatch(value)), _clock_form),
        "white space": _one(lambda _, value: isinstance(value, str) and bool(value), _spaced),
        "case": enum_case,
        "place reworded": _one(_place, lambda value, source: source.choice(PLACE_WORDINGS[split])(value)),
        "path spelling": _one(
            lambda name, _: name == _PATH_ARGUMENT,
            lambda value, source: source.choice(["./" + value, value.replace("/", "//", 1), value.replace("/", "/./", 1)]),
        ),
    }


# Negatives


def _other_id(value: Any, source: random.Random) -> Any:
    text = str(value)
    places = [at for at, char in enumerate(text) if char.isalnum()]
    at = source.choice(places)
    char = text[at]
    pool = "123456789" if char.isdigit() else "abcdefghijklmnopqrstuvwxyz"
    new = source.choice([other for other in pool if other != char.lower()])
    changed = text[:at] + (new.upper() if char.isupper() else new) + text[at + 1 :]
    return int(changed) if isinstance(value, int) else changed


def _other_number(value: Any, source: random.Random) -> Any:
    if isinstance(value, int):
        return value + source.choice([-1, 1, 10])
    digits = len(repr(value).partition(".")[2])
    return source.choice([-value, value + 1, round(value + 10.0 ** -min(digits, 6), 10)])


def _other_date(value: str, source: random.Random) -> str:
    if _CLOCK.fullmatch(value):
        hour = (int(value[:2]) + source.choice([1, 12])) % 24
        return f"{hour:02}:{value[3:]}"
    day = date.fromisoformat(value)
    moved = day + timedelta(days=source.choice([-1, 1, 7, 30, 365]))
    return moved.isoformat()


def enum_other(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
    """Another value of an enum."""
    found = [name for name, value in call.arguments.items() if value in (_property(tool, name).get("enum") or [])]
    if not found:
        return None
    name = source.choice(found)
    return {**call.arguments, name: source.choice([o for o in _property(tool, name)["enum"] if o != call.arguments[name]])}


def _other_path(value: str, source: random.Random) -> str:
    folder, _, name = value.rpartition("/")
    stem, _, ending = name.rpartition(".")
    return source.choice(
        [f"{folder}/{_other_id(stem, source)}.{ending}", f"{folder}/{stem}.txt", f"{folder}/../{name}", f"{folder}/{name}.bak",
         f"archive/{value}", f"/{value}", f"{folder}/{stem}_2.{ending}"]
    )  # fmt: skip


def _is_date(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_ISO.fullmatch(value) or _CLOCK.fullmatch(value))


def negatives() -> dict[str, Change]:
    """Changes of one identifying argument, by kind."""
    return {
        "id": _one(lambda name, value: bool(_ID.search(name)) and len(str(value)) > 2, _other_id),
        "number": _one(
            lambda name, value: isinstance(value, int | float) and not isinstance(value, bool) and not _ID.search(name),
            _other_number,
        ),
        "date": _one(_is_date, _other_date),
        "enum": enum_other,
        "path": _one(lambda name, _: name == _PATH_ARGUMENT, _other_path),
    }


def other_places(calls: list[Recorded]) -> Change:
    """Another place, recorded with another tool, or the same with one word changed; none that the tool was asked for."""
    known = sorted({value for call in calls for name, _, value in leaves(call.arguments) if _place(name, value)})

    def change(value: str, source: random.Random) -> str:
        other = source.choice(known)
        mine, theirs = value.split(), [word for word in other.split() if _names(word)]
        named = [at for at, word in enumerate(mine) if _names(word)]
        if len(mine) > 1 and named and theirs and source.random() < 0.5:
            mine[source.choice(named)] = source.choice(theirs)
            return " ".join(mine)
        return str(other)

    made = _one(_place, change)
    asked = {(call.tool, _words(call.arguments)) for call in calls if "query" in call.arguments}

    def different(call: Recorded, tool: dict[str, Any], source: random.Random) -> dict[str, Any] | None:
        arguments = made(call, tool, source)
        return None if arguments is None or (call.tool, _words(arguments)) in asked else arguments

    return different


def _names(word: str) -> bool:
    """Whether a word is part of a name: ``The`` and ``of`` are not, and with another one it is no other place."""
    return not word[:1].islower() and word.lower() not in ("the", "a", "of", "and", "&", "-") and any(map(str.isalnum, word))


def _words(arguments: dict[str, Any]) -> tuple[str, ...]:
    """The words of a place, so that another spelling of it (``The Uffizi Gallery``) is not taken for another place."""
    text = unicodedata.normalize("NFKD", str(arguments["query"])).encode("ascii", "ignore").decode()
    return tuple(word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in ("the", "a"))


def requests(split: str, count: int, seed: int, places: list[str]) -> tuple[list[Recorded], list[Variant]]:
    """Recorded requests of our own, and the same and other requests made of them."""
    source = random.Random(f"{seed} {split} requests")
    recorded: list[Recorded] = []
    found: list[Variant] = []
    for number in range(count):
        kind = REQUESTS[number % len(REQUESTS)]
        filling = slots(source, places)
        trip = f"T{number // 12:05}"  # a few requests share an identity, so that there is something to choose from
        base = Recorded(
            "Ask_Concierge",
            concierge(trip, kind.recorded.format(**filling)),
            {"answer": hash_json([trip, number])},
            number // 12,
        )
        recorded.append(base)
        wordings = kind.dev if split == "dev" else kind.test
        for wording in wordings:
            found.append(Variant("request reworded", base, concierge(trip, wording.format(**filling)), True))
        for name, wording in kind.changed:
            found.append(Variant(name, base, concierge(trip, wording.format(**filling)), False))
    taken = {canonical(call.tool, call.arguments) for call in recorded}
    return recorded, [one for one in found if one.same or canonical(one.base.tool, one.arguments) not in taken]


def documents(calls: list[Recorded]) -> list[Recorded]:
    """A file for each of the data set's calls, read once: the data set itself has no paths."""
    made = []
    for number, call in enumerate(calls):
        path = f"trips/{call.session:04}/{call.tool.lower().replace('(', '').replace(')', '')}-{number:05}.json"
        made.append(Recorded("Read_Document", {"path": path}, {"document": hash_json(path)}, call.session))
    return made
