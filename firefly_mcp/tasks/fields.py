"""What a recorded result offers: the values that a task may ask for, and the values that it reveals to whoever sees it."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import View, informative, number_in, result_text, result_view, walk
from firefly_mcp.observe.leaves import Step, name_of
from firefly_mcp.observe.success import text_tells_error
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.labels import path_label
from firefly_mcp.tasks.model import same_value
from firefly_mcp.tasks.references import select_label
from firefly_mcp.tasks.selection import SelectionError, select, selection_for, stateable
from firefly_mcp.tasks.texts import written_values
from firefly_mcp.tasks.today import tells_the_day
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call

TELLING = 0.25
"""An answer value of this weight (:func:`~firefly_mcp.observe.informative`) is not guessed."""
WEAK = 0.1
"""A value of this weight may be asked for beside a telling one."""
WEAKEST = 0.05
"""Yes or no, none or one, a common word such as ``active``: asked for only where a call has nothing better, and beside a
telling value of another."""
MOST_LEAVES = 2000
LOOKED_AT = 40
"""At most so many of a result's most telling values are described in words: describing a place in a long list is slow."""
KEPT = 3000
_PLUMBING = re.compile(r"(?:call|request|trace|span|session|correlation|tool_message)_?id$|elapsed|duration_ms|etag|checksum")
_FOREIGN = re.compile(r"(?=.*[^\x00-\x7f])[^\W\d_]{1,16}(?:[ _][^\W\d_]{1,16}){0,2}")
"""A field named in another script than that of English words: it is called as it is."""
_WORD = re.compile(r"[A-Za-z]{3,20}(?:[ _-][A-Za-z]{2,20})?")
_FAILED = re.compile(r"(?i)error [a-z]+ing\b[^.]{0,80}: ")
"""``Error validating document: File is not a zip file``, told in a field of an answer that is none otherwise."""
_SAID_DONE = frozenset("ok success error failed done".split())
_MOMENT = re.compile(r"(?:^|[_ ])(?:date|datetime|time|timestamp)$")
_MADE_UP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{24,}")


class AnswerField(NamedTuple):
    """A value of a result that a task may ask for: what it is called, how it is selected, and how telling it is."""

    label: str
    value: Any
    select: JsonObject
    worth: float


class Offer(NamedTuple):
    """What one call's result offers and reveals."""

    fields: tuple[AnswerField, ...]
    values: frozenset[str]
    state: bool
    """Whether it is known that the call answers otherwise where nothing was changed before it."""
    text: str
    """The whole text of a prose result; empty for data."""

    def reveals(self, value: Any) -> bool:
        """Whether the value can be read in this result."""
        return text_of(value) in self.values or (bool(self.text) and tells(self.text, value))


class Offers:
    """The offers of calls, the latest asked for kept."""

    def __init__(
        self,
        load: Callable[[str], JsonObject],
        variety: Variety,
        others: Callable[[Call], Sequence[JsonObject]],
        untouched: Callable[[Call], JsonObject | None] = lambda call: None,
    ) -> None:
        """Begin.

        Args:
            load: gives a result by its hash.
            variety: which fields are constants.
            others: the results that further observations of a call gave.
            untouched: what a call answers where nothing was changed before; what is the same there is not asked for.
        """
        self._untouched = untouched
        self._load = load
        self._variety = variety
        self._others = others
        self._kept: OrderedDict[int, Offer] = OrderedDict()

    def result(self, call: Call) -> JsonObject:
        """The result of a call, read when it is not at hand."""
        if call.result is not None:
            return call.result
        return self._load(call.result_hash) if call.result_hash else {}

    def of(self, call: Call) -> Offer:
        """What the call's result offers."""
        known = self._kept.get(call.id)
        if known is None:
            result = self.result(call)
            view = result_view(result)
            values = frozenset(text_of(item) for _, item in walk(view.value) if not isinstance(item, dict | list))
            text = result_text(result) if view.kind == "text" else ""
            before = self._untouched(call)
            state = before is not None and before != result
            known = self._kept[call.id] = Offer(tuple(self._fields(call, view, before)), values, state, text)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(call.id)
        return known

    def _fields(self, call: Call, view: View, before: JsonObject | None) -> list[AnswerField]:
        own = {text_of(value) for _, value in walk(call.arguments) if not isinstance(value, dict | list)}
        written = _written(call, view, self._variety) if view.kind == "text" else _of_data(call, view, own, self._variety)
        others, tool = self._others(call), _letters(call.tool)
        return [
            field
            for field in written
            if text_of(field.value) not in own
            and not of_the_day(call, field.value, f"{field.label} {field.select.get('path', '')}")
            and not (isinstance(field.value, str) and (text_tells_error(field.value) or _FAILED.match(field.value)))
            and not _misnamed(field)
            and _letters(field.value) != tool
            and all(_same(other, field) for other in others)
            and (before is None or not _same(before, field))
        ]


def _letters(value: Any) -> str:
    """What is compared where a result only repeats the name of its tool."""
    return re.sub(r"[\W_]", "", str(value)).lower()


def _misnamed(field: AnswerField) -> bool:
    """Whether a field only tells that the call was made (``ok``), or is called a moment and is none."""
    if isinstance(field.value, bool):
        return field.label.split()[-1] in _SAID_DONE
    return isinstance(field.value, str) and _MOMENT.search(field.label) is not None and sum(map(str.isdigit, field.value)) < 2


def _same(other: JsonObject, field: AnswerField) -> bool:
    try:
        return same_value(select(other, field.select), field.value)
    except SelectionError:
        return False


def _written(call: Call, view: View, variety: Variety) -> list[AnswerField]:
    found = []
    for item in written_values(str(view.value)):
        worth = _worth(item.value)
        if worth >= WEAKEST and stateable(item.value) and not variety.constant_text(call.key, item):
            found.append(AnswerField(item.label, item.value, item.select, worth))
    labels = Counter((field.label, str(field.select.get("where"))) for field in found)
    return [field for field in found if labels[(field.label, str(field.select.get("where")))] == 1][:LOOKED_AT]


def _of_data(call: Call, view: View, own: set[str], variety: Variety) -> list[AnswerField]:
    """Plain places first, the most telling first. Left out: constants, values that tell little, long texts, and places that
    cannot be told in words."""
    if view.kind == "empty":
        return []
    found: list[tuple[float, tuple[Step, ...], Any]] = []
    for number, (steps, value) in enumerate(walk(view.value)):
        if number > MOST_LEAVES:
            break
        if isinstance(value, dict | list) or not stateable(value) or text_of(value) in own:
            continue
        if any(isinstance(step, str) and "/" in step for step in steps):  # a path or an address is no name of a field
            continue
        worth = 0.0 if _is_plumbing(steps, value) else _worth(value)
        if worth < WEAKEST or variety.constant(call.key, steps):
            continue
        found.append((worth * (0.5 + 0.5 * variety.share(call.key, steps)), steps, value))
    plain = Counter(
        _label(steps)
        for steps, value in walk(view.value)
        if not isinstance(value, dict | list) and not any(isinstance(step, int) for step in steps)
    )
    ranked = sorted(found, key=lambda item: (any(isinstance(step, int) for step in item[1]), -item[0], str(item[1])))
    fields = []
    for worth, steps, value in ranked[:LOOKED_AT]:
        selection = selection_for(view, steps)
        if selection is None:
            continue
        label = _label(steps)
        called = name_of(steps)
        if _FOREIGN.fullmatch(called):
            selection = {**selection, "label": called}
        elif "take" not in selection and plain[label] > 1:
            label = _with_parent(steps)
            if not label:
                continue
            selection = {**selection, "label": label}
        fields.append(AnswerField(select_label(selection), value, selection, worth))
    labels = Counter(field.label for field in fields if "take" not in field.select)
    return [field for field in fields if "take" in field.select or labels[field.label] == 1]


def _worth(value: Any) -> float:
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= 1):
        return WEAKEST
    worth = informative(value)
    if worth < WEAK and isinstance(value, str) and (_WORD.fullmatch(value) or number_in(value) is not None):
        return WEAKEST
    return worth if worth >= WEAK else 0.0


def _label(steps: tuple[Step, ...]) -> str:
    return path_label([step for step in steps if isinstance(step, str)])


def _with_parent(steps: tuple[Step, ...]) -> str:
    names = [str(step) for step in steps]
    if len(names) < 2 or not re.fullmatch(r"[A-Za-z][A-Za-z_ -]{1,24}", names[-2]):
        return ""
    return f"{path_label([names[-2]])} {path_label([names[-1]])}"


def _is_plumbing(steps: tuple[Step, ...], value: Any) -> bool:
    """Whether a field names the call itself (a request's or trace's id), or is a made-up id that nobody would ask for."""
    if isinstance(value, str) and _MADE_UP.search(value) and "id" in name_of(steps).lower():
        return True
    return _PLUMBING.search("_".join(str(step) for step in steps[-2:]).lower()) is not None


def text_of(value: Any) -> str:
    """A scalar as it is compared with what is known already."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()


def of_the_day(call: Call, value: Any, called: str = "") -> bool:
    """Whether a value, ``called`` so in the result, is the call's own day's (:func:`tells_the_day`): it would be another on
    another day."""
    return tells_the_day(value, datetime.fromtimestamp(call.started_at, UTC).date(), call.arguments, called)
