"""Where the value of one argument may come from: earlier results, the user's samples, memory, files, prose, meaning."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from firefly_agents.offline import errors, files, sql
from firefly_agents.offline.draft import Draft, NothingKnownError
from firefly_agents.offline.files import Folder
from firefly_agents.offline.fit import flow_score, may_take, type_fits
from firefly_agents.offline.invent import earliest, invented, typed
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.seen import Seen
from firefly_agents.offline.slots import Slot
from firefly_agents.offline.vocabulary import by_meaning, fallback, in_form
from firefly_agents.offline.words import same_unit, sisters, unit_in, words
from firefly_mcp.jsonio import JsonObject, loads, text

_STEADY = frozenset("country currency timezone language locale year user customer account symbol".split())
"""Words of arguments that a person keeps through one conversation."""
_BRIEF = frozenset("id name title query key type format mode path file url".split())
"""Words of arguments that take a word or a line, never a whole result."""
_CONTENT = frozenset("name title subject body description text content note message observation summary reason insight".split())
_WRITES = re.compile(r"(?i)(?:.*_)?(?:create|add|update|put|write|append|insert|send|set|edit|modify|new|post)(?:_|$|[A-Z])")
_MOST_WEIGHED = 1500
"""Remembered values of a server that are weighed for one argument."""
STRONG = 0.5
"""A flow score from which a value is preferred over anything invented."""

Dictionary = Mapping[str, Mapping[str, Sequence[Any]]]
"""Sample values that the user's configuration gives: server, argument name, values."""


class ValueSources:
    """Finds a value for one scalar argument."""

    def __init__(
        self, memory: ValueMemory, dictionary: Dictionary, files_of: Mapping[str, Folder], *, curious: bool = False
    ) -> None:
        """Draw on a memory, the configuration's samples and the files of each server's folder."""
        self.memory = memory
        self.dictionary = dictionary
        self.files_of = files_of
        self.curious = curious

    def scalar(self, slot: Slot, draft: Draft, siblings: JsonObject) -> Any:
        """A value for a slot that is neither array nor object.

        Raises:
            NothingKnownError: it must name a thing that exists, and none is known.
        """
        rng, place = draft.rng, (slot.tool.key, slot.pointer)
        if slot.looks_sql:
            return sql.statement(f"{slot.description} {slot.tool.description}", draft.state.tables[slot.tool.key.server], rng)
        if words(slot.name)[-1:] == ("unit",) and siblings and slot.kind in ("string", "any"):
            unit = self._unit(slot, draft, siblings)
            if unit is not None:
                return unit
        if slot.kind == "boolean":
            default = slot.own.get("default")
            return (not default) if isinstance(default, bool) and not slot.required else rng.random() < 0.5
        least = earliest(slot, siblings)
        if least:
            draft.least = least
        fed = None if self.is_content(slot) and rng.random() < 0.7 else self._fed(slot, draft)
        if fed is not None:
            draft.fed_from.append(fed)
            return fed.value
        steady = draft.state.steady.get(slot.name)
        if steady is not None and slot.words & _STEADY and rng.random() < 0.85:
            value = self._pick([steady], slot, draft)
            if value is not None:
                return value
        folder = self.files_of.get(slot.tool.key.server)
        within = files.piece(slot, folder, siblings, rng) if folder is not None else None
        if within is not None and rng.random() < 0.8:
            return within
        if slot.kind in ("string", "any") and not slot.allowed and not self.samples(slot):
            single = self.is_content(slot) or slot.identifies or slot.words & _BRIEF
            whole = None if single else self.memory.wholes.fitting(slot, rng)
            if whole is not None and rng.random() < 0.8:
                return whole if isinstance(whole, str) else text(whole)
            form = self.memory.forms.get(place) or (errors.form_asked(slot.description) if slot.looks_like != "date" else "")
            if form:
                return in_form(form, rng)
        if slot.kind in ("string", "any"):
            written = self._json(slot, draft)
            if written is not None:
                return written
            path = self._path(slot, draft) if not self.samples(slot) else None
            if path is not None and (place not in self.memory.worked or rng.random() < 0.5):
                return path
        pools: list[Sequence[Any]] = [
            draft.state.asked.get(place) or self.memory.asked.get(place, ()),
            slot.allowed,
            self.samples(slot),
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

    def samples(self, slot: Slot) -> Sequence[Any]:
        """The values that the user's configuration gives for an argument."""
        found = self.dictionary.get(slot.tool.key.server, {}).get(slot.name, ())
        return found if isinstance(found, list | tuple) else (found,)

    def is_content(self, slot: Slot) -> bool:
        """Whether a value is what a write writes, which people make up, rather than what it writes to."""
        return bool(slot.words & _CONTENT) and not slot.identifies and bool(_WRITES.match(slot.tool.key.tool))

    def _pick(self, pool: Sequence[Any], slot: Slot, draft: Draft) -> Any | None:
        """One of the pool that was not said in this call and did not fail here, preferring what has worked."""
        place = (slot.tool.key, slot.pointer)
        good = [value for value in pool if value not in draft.taken and (*place, text(value)) not in draft.state.bad]
        fitting = [converted for value in good if (converted := typed(value, slot.kind)) is not None]
        memory = self.memory
        untainted = [
            value
            for value in fitting
            if memory.times(memory.failed, place, text(value)) <= 2 * memory.times(memory.worked, place, text(value))
        ]
        choice = untainted or (fitting if not memory.worked.get(place) else [])
        return draft.rng.choice(choice) if choice else None

    def _remembered(self, slot: Slot, draft: Draft) -> Any | None:
        """A value that a read returned in an earlier episode and that fits well; only where a person could know it."""
        if slot.kind not in ("string", "integer"):
            return None
        scored: dict[str, float] = {}
        own = [items for tool, items in self.memory.seen.items() if tool.server == slot.tool.key.server]
        for items in own:
            for item in itertools.islice(items.values(), max(4, _MOST_WEIGHED // len(own))):
                score = flow_score(item, slot, self.memory)
                if score >= 0.7:
                    scored[text(item.value)] = max(score, scored.get(text(item.value), 0.0))
        top = [loads(key) for key, score in scored.items() if score >= max(scored.values()) - 0.05]
        return self._pick(top, slot, draft)

    def _invented(self, slot: Slot, draft: Draft) -> Any:
        rng, tool = draft.rng, slot.tool.key
        if slot.identifies and not slot.given:
            if not self.curious or (self.memory.tried[tool] and self.memory.succeeded[tool]):
                raise NothingKnownError
            if rng.random() < 0.5 or self.memory.tried[tool] == 0:
                return f"{min(slot.words - {'id'}, default='item')}-{rng.randint(2, 40)}"
        if "unknown" in self.memory.refused.get((tool, slot.pointer), ()) and draft.state.seen and rng.random() < 0.7:
            # It must name something that exists: any telling word that this server used is a better guess than one of ours.
            near = [seen.value for seen in draft.state.seen if seen.tool.server == tool.server and type_fits(slot, seen.value)]
            value = self._pick(near, slot, draft)
            if value is not None:
                return value
        limits = self.memory.limits.get((tool, slot.pointer), (None, None))
        value = invented(slot, draft, lambda: self._pick(slot.given, slot, draft), limits)
        if isinstance(value, str) and "spaces" in self.memory.refused.get((tool, slot.pointer), ()):
            value = re.sub(r"\W+", rng.choice("-_"), value.lower()).strip("-_")
        prefix = self.memory.prefixes.get((tool, slot.pointer), "")
        return f"{prefix}{value}" if isinstance(value, str) and not value.startswith(prefix) else value

    def _path(self, slot: Slot, draft: Draft) -> Any | None:
        """A path in the server's folder, for an argument that takes one."""
        folder = self.files_of.get(slot.tool.key.server)
        if folder is None:
            return None
        place = (slot.tool.key, slot.pointer)
        memory = self.memory
        found = files.candidates(
            slot,
            folder,
            draft.rng,
            strict=slot.tool.key.server in memory.absolute,
            refused=memory.refused.get(place, frozenset()),
        )
        # Those that failed here least often first, then in the order of their fit.
        found.sort(key=lambda path: memory.times(memory.failed, place, text(path)))
        return next((path for path in found if (*place, text(path)) not in draft.state.bad and path not in draft.taken), None)

    def _json(self, slot: Slot, draft: Draft) -> str | None:
        """JSON as a text, for an argument that is said to take it: a sample of the prose, else something small."""
        refused = self.memory.refused.get((slot.tool.key, slot.pointer), frozenset())
        kind = slot.looks_json or ("text" in refused and ("array" if slot.name.endswith("s") else "object"))
        if not kind:
            return None
        found = self._pick([text(value) for value in slot.json_given], slot, draft)
        if found is not None:
            return str(found)
        one = {"name": fallback("string", draft.rng), "value": draft.rng.randint(2, 60)}
        if kind != "array":
            return text(one)
        if "numbers" in refused or "strings" in refused:
            return text([one])
        path = self._path(slot, draft)
        if path is not None:
            return text([path])
        if slot.looks_numeric or draft.rng.random() < 0.5:
            return text([draft.rng.randint(2, 60) for _ in range(5)])
        return text([fallback("string", draft.rng), fallback("string", draft.rng)])
