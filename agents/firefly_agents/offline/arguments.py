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

from firefly_agents.offline.draft import Draft, EpisodeState, NothingKnownError, Wish
from firefly_agents.offline.files import Folder, role
from firefly_agents.offline.fit import flow_score
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.slots import Slot, ToolInfo
from firefly_agents.offline.sources import STRONG, Dictionary, ValueSources
from firefly_agents.offline.vocabulary import by_meaning
from firefly_mcp.jsonio import JsonObject

_CHANGES = re.compile(r"(?i)(?:.*_)?(?:update|modify|edit|change|patch|set)(?:_|$|[A-Z])")
_MAKES = re.compile(r"(?i)(?:.*_)?(?:create|register|new|put|add|insert)(?:_|$|[A-Z])")
_LONGEST_LIST = 8
_DEEPEST = 5


class ArgumentPlanner:
    """Plans arguments for any tool."""

    def __init__(
        self,
        memory: ValueMemory,
        dictionary: Dictionary | None = None,
        *,
        curious: bool = False,
        files: Mapping[str, Folder] | None = None,
    ) -> None:
        """Plan arguments.

        Args:
            memory: what was learnt so far.
            dictionary: the configuration's sample values.
            curious: give optional arguments more often, and guess where nothing is known.
            files: what lies in the servers' folders, by server.
        """
        self.memory = memory
        self.curious = curious
        self.sources = ValueSources(memory, dictionary or {}, files or {}, curious=curious)

    def arguments(
        self, tool: ToolInfo, state: EpisodeState, rng: Random, wishes: Sequence[Wish] = (), *, attempt: int = 0
    ) -> JsonObject | None:
        """Arguments for one call; None where one must name a thing that exists and nothing is known that does.

        ``attempt`` counts the failures just before. After one, what is optional is left out, but for what errors asked for: the
        simplest call is the likeliest to succeed. After two, optional arguments of which something is known are given.
        """
        draft = Draft(state, rng, wishes, attempt=attempt)
        asked = self.memory.needed.get(tool.key, frozenset())
        plain = attempt == 1
        wished = {wish.argument.strip("/").split("/")[0] for wish in wishes}
        wished -= {slot.name for slot in tool.slots if slot.internal or slot.kind in ("array", "object", "boolean")}
        chosen = [
            slot
            for slot in tool.slots
            if slot.required or slot.name in asked or (not plain and (slot.name in wished or self._wants(slot, draft)))
        ]
        if attempt and not chosen and tool.slots:
            # A tool that says it needs nothing, and failed with nothing.
            free = [slot for slot in tool.slots if not slot.internal and slot.kind not in ("boolean", "object")]
            chosen = rng.sample(free, min(len(free), 1 + attempt // 2))
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
            for slot in sorted(chosen, key=lambda item: "unit" in item.words and item.kind == "string"):
                out[slot.name] = self._value(slot, draft, out)
        except NothingKnownError:
            return None
        return {slot.name: out[slot.name] for slot in chosen}

    def best_flow(self, slot: Slot, state: EpisodeState) -> float:
        """How well the best value seen in this episode fits a slot."""
        if slot.kind in ("array", "object"):
            inner = [slot.items()] if slot.kind == "array" else [member for member in slot.members() if member.required]
            return max((self.best_flow(item, state) for item in inner), default=0.0)
        return max((flow_score(seen, slot, self.memory) for seen in state.kinds_seen()), default=0.0)

    def _anchor(self, slots: Sequence[Slot], state: EpisodeState) -> int | None:
        """The call whose result feeds the most of these slots, the latest of several; None where at most one is fed."""
        feeds = Counter(
            call
            for slot in slots
            for call in {seen.call for seen in state.kinds_seen() if flow_score(seen, slot, self.memory) >= STRONG}
        )
        call, count = max(feeds.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        return call if count > 1 else None

    def suppliable(self, slot: Slot, state: EpisodeState) -> bool:
        """Whether a sensible value is at hand without a guess."""
        place = (slot.tool.key, slot.pointer)
        if slot.allowed or slot.given or slot.looks_sql or self.memory.worked.get(place) or self.sources.samples(slot):
            return True
        if slot.kind in ("boolean", "array", "object") or slot.looks_json or role(slot):
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
        known = bool(slot.allowed or asked or self.sources.samples(slot)) or (
            "default" in slot.own and slot.kind in ("integer", "number")
        )
        meant = named or bool(slot.given)
        if draft.attempt >= 2:
            return (known or meant) and draft.rng.random() < 0.6
        share = 0.35 if self.memory.worked.get((slot.tool.key, slot.pointer)) or self.curious else 0.15
        return (known or (meant and self.curious)) and draft.rng.random() < share

    def _value(self, slot: Slot, draft: Draft, siblings: JsonObject) -> Any:
        if slot.kind == "object" and not slot.looks_sql:
            return self._object(slot, draft)
        if slot.kind == "array":
            return self._list(slot, draft)
        if slot.kind == "any" and not slot.own.keys() - {"title", "description"}:
            return None  # an argument without any schema is a framework's slip (``**kw``)
        value = self.sources.scalar(slot, draft, siblings)
        draft.taken.append(value)
        return value

    def _list(self, slot: Slot, draft: Draft) -> list[Any]:
        """A list: a sample of the prose where there is one; numbers come by the handful, other things one or two at a time."""
        if slot.json_given and draft.rng.random() < 0.7:
            value = draft.rng.choice(slot.json_given)
            if isinstance(value, list):
                return value
        whole = self._whole(slot, draft)
        if isinstance(whole, list):
            return whole
        item = slot.items()
        least, most = slot.own.get("minItems", 1), slot.own.get("maxItems", _LONGEST_LIST)
        size = draft.rng.choice((1, 1, 2))
        if item.kind in ("integer", "number") or (item.kind == "any" and slot.looks_numeric):
            size = 5 if item.pointer.count("/") < 3 else 2  # lists that belong together are of one length, tables square
        elif item.kind == "array":
            size = 2
        if isinstance(least, int):
            size = max(least, size)
        size = max(size, self.memory.sizes.get((slot.tool.key, slot.pointer), 0))
        size = min(size, most if isinstance(most, int) else size, _LONGEST_LIST)
        if draft.attempt >= 2 and not least:
            size = max(size, 2)
        told = self.memory.kinds.get((slot.tool.key, item.pointer)) or ("" if slot.looks_numeric else "string")
        if told and item.kind == "any":
            item = Slot(slot.tool, item.pointer, item.name, {**item.schema, "type": told}, True)
        found: list[Any] = []
        for _ in range(size):
            value = draft.rng.randint(2, 60) if item.kind == "any" and slot.looks_numeric else self._value(item, draft, {})
            if value not in found or item.kind in ("integer", "number", "array", "boolean"):
                found.append(value)
        return found

    def _named_by_errors(self, slot: Slot, key: str) -> Slot:
        """The slot of a field that only errors told of: of the type that they named, else of the one that its name suggests."""
        pointer = f"{slot.pointer}/{key}"
        kind = self.memory.kinds.get((slot.tool.key, pointer))
        if kind is None:
            text = by_meaning(key, "", "string", Random(0))
            kind = "number" if text is None and by_meaning(key, "", "number", Random(0)) is not None else "string"
        return Slot(slot.tool, pointer, key, {"type": kind}, True)

    def _whole(self, slot: Slot, draft: Draft) -> Any | None:
        """An earlier result to hand on as it is, for a list or object of which the schema says nothing more."""
        return self.memory.wholes.fitting(slot, draft.rng)

    def _object(self, slot: Slot, draft: Draft) -> JsonObject:
        """An object: its required members, else a sample of the prose, else some that the schema names."""
        everything = [member for member in slot.members() if not member.internal]
        members = [member for member in everything if member.required]
        if not members and slot.json_given:
            value = draft.rng.choice(slot.json_given)
            if isinstance(value, dict):
                return value
        if not members:
            whole = self._whole(slot, draft)
            if isinstance(whole, dict):
                return whole
        if not members and slot.required:
            if not everything and not self.curious:
                raise NothingKnownError
            members = [member for member in everything if member.kind not in ("array", "object")][: 1 + draft.attempt]
        elif draft.attempt >= 2:
            members += [member for member in everything if not member.required and member.kind not in ("array", "object")][:2]
        out: JsonObject = {}
        draft.depth += 1
        if draft.depth > _DEEPEST:
            members = []
        for member in members:
            out[member.name] = self._value(member, draft, out)
        draft.depth -= 1
        place = (slot.tool.key, slot.pointer)
        keys = self.memory.keys.get(place) or (self.memory.keys.get((slot.tool.key, "")) if slot.required else None)
        if not everything and keys:
            for key in keys:
                out[key] = self._value(self._named_by_errors(slot, key), draft, out)
            return out
        if not everything and slot.required and draft.attempt:
            return {"name": draft.rng.choice(("lamp", "desk", "garden")), "value": draft.rng.randint(2, 60)}
        return out
