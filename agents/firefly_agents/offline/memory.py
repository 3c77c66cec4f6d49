"""What exploration has learnt: which values worked where, and which results fed which arguments.

A memory lasts over episodes and is rebuilt from the recording, so an interrupted exploration goes on where it stopped.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from firefly_agents.offline import errors, hints
from firefly_agents.offline.seen import Seen, error_of, is_empty, seen_in
from firefly_agents.offline.wholes import WholeMemory, wholes
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.observe.leaves import json_pointer, walk
from firefly_mcp.observe.success import is_success
from firefly_mcp.observe.view import View, result_text, result_view
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, SessionKind, ToolKey

Place = tuple[ToolKey, str]
"""An argument: its tool and the JSON pointer to it, indices as 0."""
_KEPT = 40
_LESSONS = ("needed", "limits", "keys", "kinds", "sizes", "forms", "prefixes", "absolute", "refused")
"""What errors teach beside values that failed."""


def scalars(arguments: JsonObject) -> list[tuple[str, Any]]:
    """The scalar arguments with their pointers, list indices as 0."""
    found = []
    for steps, value in walk(arguments):
        if steps and not isinstance(value, dict | list):
            found.append((json_pointer(tuple(0 if isinstance(step, int) else step for step in steps)), value))
    return found


def asked_for(error: str, given: list[tuple[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The values that an error message says would have been accepted, by the argument that it blames."""
    values = hints.wanted(error[:2000])
    if not values or not given:
        return {}
    names = [pointer.rsplit("/", 1)[-1] for pointer, _ in given]
    blamed = errors.complained_about(error, names)
    quoted = [name for (_, value), name in zip(given, names, strict=True) if isinstance(value, str) and repr(value) in error]
    found = {}
    for (pointer, _), name in zip(given, names, strict=True):
        if name in quoted or (not quoted and (name in blamed or len(given) == 1)):
            found[pointer] = values
    return found


def blamed(error: str, given: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The arguments that an error is about: those whose value it quotes, else those that it names, else a lone one."""
    quoted = [(pointer, value) for pointer, value in given if len(str(value)) > 1 and str(value) in error]
    if quoted or len(given) == 1:
        return quoted or given
    named = errors.complained_about(error, [pointer.rsplit("/", 1)[-1] for pointer, _ in given])
    return [(pointer, value) for pointer, value in given if pointer.rsplit("/", 1)[-1] in named]


class ValueMemory:
    """Counts over all episodes so far."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self.worked: dict[Place, Counter[str]] = defaultdict(Counter)
        self.failed: dict[Place, Counter[str]] = defaultdict(Counter)
        self.fed: dict[Place, Counter[tuple[ToolKey, str]]] = defaultdict(Counter)
        self.asked: dict[Place, tuple[str, ...]] = {}
        self.known: dict[ToolKey, list[str]] = {}
        self.needed: dict[ToolKey, frozenset[str]] = {}
        self.limits: dict[Place, tuple[float | None, float | None]] = {}
        self.keys: dict[Place, tuple[str, ...]] = {}
        self.kinds: dict[Place, str] = {}
        self.sizes: dict[Place, int] = {}
        self.forms: dict[Place, str] = {}
        self.wholes = WholeMemory()
        self.prefixes: dict[Place, str] = {}
        self.absolute: set[str] = set()
        self.refused: dict[Place, frozenset[str]] = {}
        self.out_of_reach: Counter[ToolKey] = Counter()
        self.tried: Counter[ToolKey] = Counter()
        self.succeeded: Counter[ToolKey] = Counter()
        self.yielded: Counter[ToolKey] = Counter()
        self.seen: dict[ToolKey, dict[str, Seen]] = defaultdict(dict)

    @classmethod
    def of_recording(cls, recording: Recording) -> ValueMemory:
        """All that the explorations in a recording have taught."""
        memory = cls()
        for session in queries.sessions(recording, kind=SessionKind.EXPLORE):
            memory.learn_calls(queries.calls(recording, session=session.id, method="tools/call"))
        return memory

    def learn_calls(self, calls: Iterable[Call]) -> None:
        """Learn from one session's calls, in order."""
        before: list[Seen] = []
        wrote: set[str] = set()
        for position, call in enumerate(calls):
            good = is_success(call)
            view = result_view(call.result)
            error = error_of(view.value) if view.kind in ("json", "structured") else result_text(call.result)
            found = self.learn(call.key, call.arguments, view, good, error=error, before=before, call=position)
            if good:
                before.extend(found)
                if call.server not in wrote:
                    # What a fresh sandbox returns holds in the next one too; after a write it may not.
                    for item in found:
                        if len(self.seen[call.key]) < 300:
                            self.seen[call.key].setdefault(f"{item.group} {text(item.value)}", item)
                wrote.add(call.server)

    def learn(
        self,
        tool: ToolKey,
        arguments: JsonObject,
        view: View,
        good: bool,
        *,
        error: str = "",
        before: Iterable[Seen] = (),
        call: int = 0,
    ) -> list[Seen]:
        """Learn from one call.

        Args:
            tool: the tool.
            arguments: what it was called with.
            view: what it answered.
            good: whether it succeeded.
            error: what it said, if not.
            before: what earlier results of the episode held.
            call: its position in the episode.

        Returns:
            The values that its result holds.
        """
        given = scalars(arguments)
        self.tried[tool] += 1
        if not good:
            for pointer, value in blamed(error, given):
                self.failed[tool, pointer][text(value)] += 1
            for pointer, values in asked_for(error, given).items():
                self.asked[tool, pointer] = values
            self.out_of_reach[tool] += errors.out_of_reach(error[:2000])
            self.heed(tool, arguments, error)
            return []
        self.succeeded[tool] += 1
        full = not is_empty(view)
        self.wholes.add(wholes(view, tool))
        self.yielded[tool] += full
        if full:
            by_value: dict[str, list[Seen]] = defaultdict(list)
            for item in before:
                by_value[text(item.value)].append(item)
            for pointer, value in given:
                key = text(value)
                counter = self.worked[tool, pointer]
                if key in counter or len(counter) < _KEPT:
                    counter[key] += 1
                for item in by_value.get(key, ()):
                    if item.weight >= 0.3:
                        self.fed[tool, pointer][item.tool, item.group] += 1
        return seen_in(view, tool, call, [value for _, value in given])

    def heed(self, tool: ToolKey, arguments: JsonObject, error: str) -> None:
        """Take from an error what it asks for: arguments, fields, limits, forms, sizes, kinds of values."""
        given, error = scalars(arguments), error[:2000]
        missing = [name for name in errors.needed(error, self.known.get(tool, [])) if name not in arguments]
        if missing:
            self.needed[tool] = self.needed.get(tool, frozenset()) | set(missing[:3])
        bounds = errors.limits(error)
        numbers = [
            pointer for pointer, value in blamed(error, given) if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if bounds is not None and len(numbers) == 1:
            self.limits[tool, numbers[0]] = bounds
        key = errors.missing_key(error)
        missing_fields, kinds_told = errors.complaints(error)
        if key and key not in arguments:
            missing_fields.append(("", key))
        for parent, name in missing_fields:
            self.keys[tool, parent] = tuple(dict.fromkeys((*self.keys.get((tool, parent), ()), name)))[-8:]
        self.kinds.update({(tool, pointer): kind for pointer, kind in kinds_told.items()})
        size = errors.least_size(error)
        lists = [name for name, value in arguments.items() if isinstance(value, list)]
        if size and len(lists) == 1:
            self.sizes[tool, f"/{lists[0]}"] = size
        prefix = errors.prefix_asked(error)
        if prefix:
            self.prefixes.update({(tool, pointer): prefix for pointer, value in blamed(error, given) if isinstance(value, str)})
        form = errors.form_asked(error)
        if form:
            for pointer, value in blamed(error, given):
                if isinstance(value, str):
                    self.forms[tool, pointer] = form
        if errors.wants_absolute(error):
            self.absolute.add(tool.server)
        for pointer, value in blamed(error, given):
            if isinstance(value, str):
                self.refuse(tool, pointer, error)

    def for_episode(self) -> ValueMemory:
        """The memory as an episode may use it: what was counted is shared, what errors teach meanwhile stays its own.

        So what an episode does depends on what was known when its round began, and not on what runs beside it.
        """
        twin = copy.copy(self)
        for name in _LESSONS:
            setattr(twin, name, copy.copy(getattr(self, name)))
        twin.wholes = self.wholes.copy()
        return twin

    def refuse(self, tool: ToolKey, pointer: str, error: str) -> None:
        """Note what an error says of the kind of a value."""
        kinds = errors.refused_kinds(error[:2000])
        if kinds:
            self.refused[tool, pointer] = self.refused.get((tool, pointer), frozenset()) | kinds

    @staticmethod
    def times(counts: Mapping[Place, Counter[str]], place: Place, value: str) -> int:
        """How often a value (as JSON) is counted for an argument."""
        found = counts.get(place)
        return found[value] if found else 0

    def hopeless(self, tool: ToolKey) -> bool:
        """Whether a tool was tried often and never answered well."""
        return self.tried[tool] >= 4 and not self.succeeded[tool]

    def success_rate(self, tool: ToolKey) -> float:
        """The share of calls that succeeded, with one success and one failure added."""
        return (self.succeeded[tool] + 1) / (self.tried[tool] + 2)
