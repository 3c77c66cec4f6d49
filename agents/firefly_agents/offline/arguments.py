"""One call's arguments: real values of earlier results where they fit, else what schema, prose, memory or meaning suggest.

The order of sources follows stateful API fuzzers (RESTler, ICSE 2019; EvoMaster, TOSEM 2019): producer-consumer values first,
then a dictionary, examples and values that worked before, then generation by type. Unlike a fuzzer this draws only values
that a person could have asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from firefly_agents.offline import sql
from firefly_agents.offline.draft import Draft, EpisodeState, NothingKnownError, Wish
from firefly_agents.offline.fit import flow_score, may_take
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.seen import Seen
from firefly_agents.offline.slots import Slot, ToolInfo
from firefly_agents.offline.vocabulary import by_meaning, fallback
from firefly_agents.offline.words import same_unit, sisters, unit_in, words
from firefly_mcp.jsonio import JsonObject, loads, text

_CHANGES = re.compile(r"(?i)(?:.*_)?(?:update|modify|edit|change|patch|set)(?:_|$|[A-Z])")
_STEADY = frozenset("country currency timezone language locale year user customer account symbol".split())
"""Words of arguments that a person keeps through one conversation."""
_CONTENT = frozenset("name title subject body description text content note message observation summary reason insight".split())
_MAKES = re.compile(r"(?i)(?:.*_)?(?:create|register|new|put|add|insert)(?:_|$|[A-Z])")
_WRITES = re.compile(r"(?i)(?:.*_)?(?:create|add|update|put|write|append|insert|send|set|edit|modify|new|post)(?:_|$|[A-Z])")
STRONG = 0.5
"""A flow score from which a value is preferred over anything invented."""

Dictionary = Mapping[str, Mapping[str, Sequence[Any]]]
"""Sample values that the user's configuration gives: server, argument name, values."""


class ArgumentPlanner:
    """Plans arguments for any tool."""

    def __init__(self, memory: ValueMemory, dictionary: Dictionary | None = None, *, curious: bool = False) -> None:
        """Plan with a memory and the configuration's sample values; ``curious`` gives optional arguments more often."""
        self.memory = memory
        self.curious = curious
        self.dictionary = dictionary or {}

    def arguments(
        self, tool: ToolInfo, state: EpisodeState, rng: Random, wishes: Sequence[Wish] = (), *, plain: bool = False
    ) -> JsonObject | None:
        """Arguments for one call; None where one must name a thing that exists and nothing is known that does.

        ``plain`` leaves out what is optional: after a failure the simplest call is the likeliest to succeed.
        """
        draft = Draft(state, rng, wishes)
        wished = {wish.argument.strip("/").split("/")[0] for wish in wishes}
        wished -= {slot.name for slot in tool.slots if slot.internal or slot.kind in ("array", "object", "boolean")}
        chosen = [
            slot for slot in tool.slots if slot.required or (not plain and (slot.name in wished or self._wants(slot, draft)))
        ]
        if _CHANGES.match(tool.key.tool) and all(slot.required for slot in chosen):
            # A change that changes nothing is no request that anyone makes.
            rest = [
                slot for slot in tool.slots if not slot.required and not slot.internal and slot.kind in ("string", "boolean")
            ]
            chosen += [rng.choice(rest)] if rest else []
        draft.anchor = self._anchor(chosen, state)
        out: JsonObject = {}
        # What converts to what follows from the value, so values come before units.
        try:
            for slot in sorted(chosen, key=lambda item: "unit" in item.words):
                out[slot.name] = self._value(slot, draft, out)
        except NothingKnownError:
            return None
        return {slot.name: out[slot.name] for slot in chosen}

    def best_flow(self, slot: Slot, state: EpisodeState) -> float:
        """How well the best value seen in this episode fits a slot."""
        if slot.kind in ("array", "object"):
            inner = [slot.items()] if slot.kind == "array" else [member for member in slot.members() if member.required]
            return max((self.best_flow(item, state) for item in inner), default=0.0)
        return max((flow_score(seen, slot, self.memory) for seen in state.seen), default=0.0)

    def _anchor(self, slots: Sequence[Slot], state: EpisodeState) -> int | None:
        """The call whose result feeds the most of these slots, the latest of several; None where at most one is fed."""
        feeds = Counter(
            call
            for slot in slots
            for call in {seen.call for seen in state.seen if flow_score(seen, slot, self.memory) >= STRONG}
        )
        call, count = max(feeds.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        return call if count > 1 else None

    def _is_content(self, slot: Slot) -> bool:
        """Whether a value is what a write writes, which people make up, rather than what it writes to."""
        return bool(slot.words & _CONTENT) and not slot.identifies and bool(_WRITES.match(slot.tool.key.tool))

    def suppliable(self, slot: Slot, state: EpisodeState) -> bool:
        """Whether a sensible value is at hand without a guess."""
        place = (slot.tool.key, slot.pointer)
        if slot.allowed or slot.given or slot.looks_sql or self.memory.worked.get(place) or self._dictionary(slot):
            return True
        if slot.kind in ("boolean", "array", "object"):
            return True
        return not slot.identifies or self.best_flow(slot, state) >= STRONG

    def _wants(self, slot: Slot, draft: Draft) -> bool:
        """Whether an optional argument is given: seldom, as people give few."""
        if slot.internal or slot.kind in ("array", "object"):
            return False
        asked = self.memory.asked.get((slot.tool.key, slot.pointer))
        if slot.own.get("default") == "" and slot.looks_like:
            return True  # a framework's way to say that it is needed
        if slot.kind == "string" and self.best_flow(slot, draft.state) >= 0.9:
            return draft.rng.random() < 0.4
        named = by_meaning(slot.name, "", slot.kind, Random(0)) is not None
        if named and "default" not in slot.own and _MAKES.match(slot.tool.key.tool):
            return draft.rng.random() < 0.6  # who creates a thing says more of it than they must
        known = bool(slot.allowed or asked or self._dictionary(slot)) or (
            "default" in slot.own and slot.kind in ("integer", "number")
        )
        meant = named or bool(slot.given)
        share = 0.35 if self.memory.worked.get((slot.tool.key, slot.pointer)) or self.curious else 0.15
        return (known or (meant and self.curious)) and draft.rng.random() < share

    def _value(self, slot: Slot, draft: Draft, siblings: JsonObject) -> Any:
        if slot.kind == "object" and not slot.looks_sql:
            members = [member for member in slot.members() if member.required and not member.internal]
            if not members and slot.required and not self.curious:
                raise NothingKnownError
            return {member.name: self._value(member, draft, {}) for member in members}
        if slot.kind == "array":
            return self._list(slot, draft)
        if slot.kind == "any" and not slot.own.keys() - {"title", "description"}:
            return None  # an argument without any schema is a framework's slip (``**kw``)
        value = self._scalar(slot, draft, siblings)
        draft.taken.append(value)
        return value

    def _list(self, slot: Slot, draft: Draft) -> list[Any]:
        least = slot.own.get("minItems", 1)
        size = max(int(least), draft.rng.choice((1, 1, 2))) if isinstance(least, int) else 1
        found: list[Any] = []
        for _ in range(min(size, 4)):
            value = self._value(slot.items(), draft, {})
            if value not in found:
                found.append(value)
        return found

    def _scalar(self, slot: Slot, draft: Draft, siblings: JsonObject) -> Any:
        rng, place = draft.rng, (slot.tool.key, slot.pointer)
        if slot.looks_sql:
            return sql.statement(f"{slot.description} {slot.tool.description}", draft.state.tables[slot.tool.key.server], rng)
        if "unit" in slot.words and siblings:
            unit = self._unit(slot, draft, siblings)
            if unit is not None:
                return unit
        if slot.kind == "boolean":
            default = slot.own.get("default")
            return (not default) if isinstance(default, bool) and not slot.required else rng.random() < 0.5
        least = _earliest(slot, siblings)
        if least:
            draft.least = least
        fed = None if self._is_content(slot) and rng.random() < 0.7 else self._fed(slot, draft)
        if fed is not None:
            draft.fed_from.append(fed)
            return fed.value
        steady = draft.state.steady.get(slot.name)
        if steady is not None and slot.words & _STEADY and rng.random() < 0.85:
            value = self._pick([steady], slot, draft)
            if value is not None:
                return value
        pools: list[Sequence[Any]] = [
            draft.state.asked.get(place) or self.memory.asked.get(place, ()),
            slot.allowed,
            self._dictionary(slot),
        ]
        for pool in pools:
            value = self._pick(pool, slot, draft)
            if value is not None:
                return value
        meant = by_meaning(slot.name, slot.description, slot.kind, Random(0)) is not None
        worked = [loads(key) for key in self.memory.worked[place]] if place in self.memory.worked else []
        if slot.identifies or rng.random() < (0.3 if meant else 0.9):
            value = self._pick(worked, slot, draft)
            if value is not None:
                return value
        remembered = self._remembered(slot, draft) if slot.identifies or rng.random() < (0.1 if meant else 0.85) else None
        if remembered is not None:
            return remembered
        if slot.given and (rng.random() < 0.35 or not meant):
            value = self._pick(slot.given, slot, draft)
            if value is not None:
                return value
        return self._invented(slot, draft)

    def _fed(self, slot: Slot, draft: Draft) -> Seen | None:
        """A value of an earlier result: of the wished source if it fits at all, else of the best one if it fits well."""
        scored: list[tuple[float, Seen]] = []
        wanted = [wish for wish in draft.wishes if wish.argument.strip("/").split("/")[0] == slot.pointer.split("/")[1]]
        anchor = draft.anchor
        related = draft.state.given.get(anchor, frozenset()) if anchor is not None else frozenset()
        inside = {text(seen.value) for seen in draft.state.seen if seen.call == anchor}
        for seen in draft.state.seen:
            if (
                seen.value in draft.taken
                or not draft.late_enough(slot, seen.value)
                or (slot.tool.key, slot.pointer, text(seen.value)) in draft.state.bad
            ):
                continue
            score = flow_score(seen, slot, self.memory)
            wish = next((wish for wish in wanted if wish.source == seen.tool), None)
            if wish is not None and wish.path == seen.group and seen.weight >= 0.2 and may_take(seen, slot, self.memory):
                score = max(score, 0.6)
            if wish is not None and score:
                score += 0.3
            if score > 0.25 and text(seen.value) in draft.state.written:
                score += 0.15
            if score >= STRONG:
                key = text(seen.value)
                # What was just changed is what one looks at next; else what was not spoken of yet.
                if not draft.state.written and key not in draft.state.said:
                    score += 0.05
                # The values of one call belong together: of one invoice, its own number, supplier and total.
                if seen.call == anchor or key in related:
                    score += 0.06
                elif inside & draft.state.given.get(seen.call, frozenset()):
                    score += 0.05
                scored.append((score + 0.002 * seen.call, seen))
        bound = wanted or slot.identifies or anchor is not None
        if not scored or (not bound and draft.rng.random() < 0.06):
            return None
        top = max(score for score, _ in scored)
        best = [seen for score, seen in scored if score >= top - 0.03]
        return draft.rng.choice(best)

    def _unit(self, slot: Slot, draft: Draft, siblings: JsonObject) -> Any | None:
        """A unit that fits the value: the one its field named, and for the target one that it converts to."""
        target = bool(set(words(slot.name)) & {"to", "target", "output", "destination"})
        fed = next((seen for seen in reversed(draft.fed_from) if isinstance(seen.value, int | float)), None)
        source = next((str(value) for name, value in siblings.items() if "unit" in name and isinstance(value, str)), None)
        allowed = [str(item) for item in slot.allowed]
        if not target:
            unit = unit_in(fed.name) if fed else None
            pool = allowed or ["km", "kg", "m", "lb", "mile", "hour", "degC", "ml", "foot", "inch"]
            if unit is None:
                return draft.rng.choice(pool)
            return next((item for item in allowed if same_unit(item, unit)), None if allowed else unit)
        if source is None:
            return None
        if allowed:
            others = [item for item in allowed if not same_unit(item, source)]
            return draft.rng.choice(others) if others else None
        found = sisters(unit_in(source) or source)
        return draft.rng.choice(found) if found else None

    def _dictionary(self, slot: Slot) -> Sequence[Any]:
        found = self.dictionary.get(slot.tool.key.server, {}).get(slot.name, ())
        return found if isinstance(found, list | tuple) else (found,)

    def _pick(self, pool: Sequence[Any], slot: Slot, draft: Draft) -> Any | None:
        """One of the pool that was not said in this call and did not fail here, preferring what has worked."""
        place = (slot.tool.key, slot.pointer)
        good = [value for value in pool if value not in draft.taken and (*place, text(value)) not in draft.state.bad]
        typed = [converted for value in good if (converted := _typed(value, slot.kind)) is not None]
        memory = self.memory
        untainted = [
            value
            for value in typed
            if memory.times(memory.failed, place, text(value)) <= 2 * memory.times(memory.worked, place, text(value))
        ]
        choice = untainted or (typed if not memory.worked.get(place) else [])
        return draft.rng.choice(choice) if choice else None

    def _remembered(self, slot: Slot, draft: Draft) -> Any | None:
        """A value that a read returned in an earlier episode and that fits well; only where a person could know it."""
        if slot.kind not in ("string", "integer"):
            return None
        scored: dict[str, float] = {}
        for tool, items in self.memory.seen.items():
            if tool.server != slot.tool.key.server:
                continue
            for item in items.values():
                score = flow_score(item, slot, self.memory)
                if score >= 0.7:
                    scored[text(item.value)] = max(score, scored.get(text(item.value), 0.0))
        top = [loads(key) for key, score in scored.items() if score >= max(scored.values()) - 0.05]
        return self._pick(top, slot, draft)

    def _invented(self, slot: Slot, draft: Draft) -> Any:
        low, high = slot.own.get("minimum", slot.own.get("exclusiveMinimum")), slot.own.get("maximum")
        default = slot.own.get("default")
        if (
            isinstance(default, int | float)
            and not isinstance(default, bool)
            and default > 0
            and slot.kind in ("integer", "number")
        ):
            return draft.rng.choice((default + 1, default * 2) if default < 20 else (default * 2, default // 2))
        if slot.identifies and not slot.given:
            if not self.curious or self.memory.tried[slot.tool.key]:
                raise NothingKnownError
            return f"{min(slot.words - {'id'}, default='item')}-{draft.rng.randint(2, 40)}"
        for _ in range(8):
            kind = slot.kind if slot.kind != "any" else "string"
            value = None
            if slot.name.lower() in ("query", "q", "search", "name", "term"):
                value = by_meaning(_about(slot.tool), "", kind, draft.rng)
            if value is None:
                value = by_meaning(slot.called, slot.description if slot.required else "", kind, draft.rng)
            if slot.looks_like == "iata":
                value = by_meaning("iata", "", kind, draft.rng)
            if value is None:
                value = self._pick(slot.given, slot, draft) if slot.given else None
            if value is None:
                value = fallback(kind, draft.rng)
            if isinstance(value, int | float) and not isinstance(value, bool):
                if isinstance(low, int | float) and value < low:
                    value = type(value)(low + (1 if slot.kind == "integer" else 0.5))
                if isinstance(high, int | float) and value > high:
                    value = type(value)(high)
            if (
                value not in draft.taken
                and draft.late_enough(slot, value)
                and (slot.tool.key, slot.pointer, text(value)) not in draft.state.bad
            ):
                break
        return value


def _about(tool: ToolInfo) -> str:
    """What a tool is about: its name without the verbs that any search has."""
    return "_".join(
        word for word in words(tool.key.tool) if word not in ("search", "find", "get", "lookup", "query", "read", "name")
    )


def _earliest(slot: Slot, siblings: JsonObject) -> str:
    """The start date among the arguments chosen already, for a slot that takes the end."""
    if slot.looks_like != "date" or not set(words(slot.name)) & {"end", "until", "to", "due"}:
        return ""
    starts = [value for name, value in siblings.items() if set(words(name)) & {"start", "from", "begin", "since"}]
    return next((value for value in starts if isinstance(value, str)), "")


def _typed(value: Any, kind: str) -> Any | None:
    if kind in ("string", "any"):
        return value if isinstance(value, str) else None
    if kind in ("integer", "number"):
        if isinstance(value, str):
            try:
                value = float(value) if kind == "number" else int(value)
            except ValueError:
                return None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value
