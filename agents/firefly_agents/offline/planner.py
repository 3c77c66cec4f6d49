"""One episode's course: the sampled sub-DAG first, then on from what the results offer; a failed call never ends it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.draft import EpisodeState, Wish
from firefly_agents.offline.memory import asked_for, blamed, scalars
from firefly_agents.offline.remedies import MAKES, remedies
from firefly_agents.offline.seen import Seen, error_of, is_empty, output_view, seen_in
from firefly_agents.offline.slots import ToolInfo
from firefly_agents.offline.sources import STRONG
from firefly_agents.offline.wholes import wholes
from firefly_agents.offline.words import words
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.state.verbs import VerbClass, verb_class
from firefly_mcp.types import Tool, ToolKey

_DULL = frozenset(
    "reset log version help doctor health ping status info update_check transfer guide skill feedback clear memo".split()
)
_ENDS = re.compile(r"(?i)(?:.*_)?(?:delete|remove|destroy|purge|drop)(?:_|$|[A-Z])")
_NAMING = frozenset("name id key title path file filename slug project collection table branch tag label".split())
_NOW = frozenset("now current today live latest".split())


@dataclass(frozen=True)
class Step:
    """A node of the sub-DAG: a tool, and which of its arguments should be fed from which earlier tool."""

    tool: ToolKey
    wishes: tuple[Wish, ...] = ()


@dataclass
class Pending:
    """A call to make: its tool, its arguments (None where none can be planned), its step, and how often it was tried."""

    tool: ToolInfo
    arguments: JsonObject | None
    step: Step | None
    attempt: int


class EpisodePlanner:
    """Decides call after call. Deterministic: the same seed, tools, memory and outputs give the same calls."""

    def __init__(
        self,
        tools: Mapping[ToolKey, ToolInfo],
        arguments: ArgumentPlanner,
        rng: Random,
        *,
        steps: Sequence[Step] = (),
        length: int = 5,
        repeats: int = 1,
        writes: Mapping[ToolKey, bool] | None = None,
        retries: int = 1,
        cover: bool = False,
        focus: Collection[ToolKey] = (),
        weighed: Collection[ToolKey] | None = None,
    ) -> None:
        """Plan one episode.

        Args:
            tools: the tools on offer.
            arguments: plans the arguments.
            rng: the episode's own source of variety.
            steps: the sub-DAG in an order that its edges allow.
            length: how many calls at most.
            repeats: how often one tool may be called.
            writes: which tools may change what others answer; read from the verbs when not given.
            retries: how often a failed step is tried with other arguments.
            cover: try every tool, rather than go where the values lead.
            weighed: the tools among which the next is chosen; all where not given. Others are called only where an error asks
                for them.
            focus: the tools that are to be covered, the others only serving them; all where it is empty.
        """
        self.tools = dict(tools)
        self.planner = arguments
        self.rng = rng
        self.length = length
        self.repeats = repeats
        self.retries = retries
        self.cover = cover
        self.state = EpisodeState()
        self._steps = list(steps)
        self._writes = {key: is_write(tool) for key, tool in self.tools.items()} | dict(writes or {})
        self._focus = frozenset(focus)
        self._weighed = [tool for key, tool in self.tools.items() if weighed is None or key in weighed]
        self._won: Counter[ToolKey] = Counter()
        self._called: Counter[ToolKey] = Counter()
        self._pending: Pending | None = None
        self._count = 0
        self._last_write: str | None = None
        self._said_calls: set[str] = set()
        self._again: Pending | None = None
        self._before: list[ToolInfo] = []
        self._mended: Counter[ToolKey] = Counter()
        self._mending: ToolKey | None = None
        self._made: list[tuple[ToolKey, JsonObject]] = []

    def next(self) -> tuple[ToolKey, JsonObject] | None:
        """The next call, or None where the episode ends."""
        if self._count >= self.length:
            return None
        for _ in range(12):
            pending = self.choose()
            if pending is None:
                return None
            if pending.arguments is None:
                self._called[pending.tool.key] += 1
                continue
            mark = f"{pending.tool.key} {text(pending.arguments)}"
            if mark in self._said_calls and not (
                self._last_write == pending.tool.key.server and not self._writes[pending.tool.key]
            ):
                self._called[pending.tool.key] += 1
                continue
            self._said_calls.add(mark)
            self._pending = pending
            self._count += 1
            return pending.tool.key, pending.arguments
        return None

    def observe(self, output: str) -> None:
        """Take in what the pending call returned."""
        pending, self._pending = self._pending, None
        if pending is None or pending.arguments is None:
            return
        key = pending.tool.key
        self._called[key] += 1
        view, failed = output_view(output)
        given = scalars(pending.arguments)
        told = view.value if isinstance(view.value, str) else error_of(view.value)
        if failed or is_empty(view):
            for pointer, value in blamed(told, given) if failed else given:
                self.state.bad.add((key, pointer, text(value)))
            if failed:
                self.planner.memory.heed(key, pending.arguments, told)
                self.state.asked.update({(key, pointer): values for pointer, values in asked_for(told, given).items()})
                if pending.attempt < self.retries:
                    self._again = pending
                self._mend(pending, told)
                return
        self._won[key] += not failed
        self._made.append((key, pending.arguments))
        self.state.see(made(pending.tool, pending.arguments, self._count))
        self.planner.memory.wholes.add(wholes(view, key))
        self.state.tables[key.server].observe(pending.arguments, view)
        self.state.see(seen_in(view, key, self._count, [value for _, value in given]))
        self.state.said.update(text(value) for _, value in given)
        self.state.steady.update({name: value for name, value in pending.arguments.items() if isinstance(value, str | int)})
        self.state.given[self._count] = frozenset(text(value) for _, value in given)
        if self._writes.get(key):
            self._last_write = key.server
            self.state.written = self.state.given[self._count] | {
                text(item.value) for item in self.state.seen if item.call == self._count and item.weight >= 0.3
            }
            if _ENDS.match(key.tool):
                gone = {text(value) for _, value in given}
                self.state.seen = [item for item in self.state.seen if text(item.value) not in gone]
        elif self._last_write == key.server:
            self._last_write = None
            self.state.written = frozenset()

    def _mend(self, pending: Pending, error: str) -> None:
        """Plan what a failed call seems to need first: then it is tried again."""
        assert pending.arguments is not None
        if self._again is None or not self.cover or self._mended[pending.tool.key] >= 2:
            return
        culprit = self._late_blame(pending, error)
        first = [culprit] if culprit is not None else remedies(pending.tool, pending.arguments, error, self.tools)
        first = [key for key in first if self._called[key] < self.repeats + 2 and key != self._mending]
        if first:
            self._mended[pending.tool.key] += 1
            self._before = [self.tools[key] for key in first[:1]]

    def _late_blame(self, pending: Pending, error: str) -> ToolKey | None:
        """The earlier call whose argument an error quotes although this call did not give it: it is to be made otherwise."""
        assert pending.arguments is not None
        own = {text(value) for _, value in scalars(pending.arguments)}
        for key, arguments in reversed(self._made):
            if key.server != pending.tool.key.server or key == pending.tool.key:
                continue
            for pointer, value in scalars(arguments):
                if isinstance(value, str) and len(value) > 3 and value in error and text(value) not in own:
                    self.state.bad.add((key, pointer, text(value)))
                    self.planner.memory.refuse(key, pointer, error)
                    return key
        return None

    def choose(self) -> Pending | None:
        """The tool to call next, with its arguments; None where none promises anything."""
        if self._before:
            first = self._before.pop()
            self._mending = first.key
            return self.draft(first, None, self.retries)
        self._mending = None
        if self._again is not None:
            again, self._again = self._again, None
            return self.draft(again.tool, again.step, again.attempt + 1)
        while self._steps:
            step = self._steps.pop(0)
            tool = self.tools.get(step.tool)
            if tool is not None and not self.planner.memory.hopeless(tool.key):
                return self.draft(tool, step, 0)
        scored = [(self.score(tool), tool) for tool in self._weighed]
        if self._focus and all(self._won[key] or self._called[key] >= self.repeats for key in self._focus):
            return None
        scored = [(score, tool) for score, tool in scored if score > (-0.5 if self.cover else 0.3)]
        if not scored:
            return None
        top = max(score for score, _ in scored)
        return self.draft(self.rng.choice([tool for score, tool in scored if score >= top - 0.12]), None, 0)

    def draft(self, tool: ToolInfo, step: Step | None, attempt: int) -> Pending:
        """A call of a tool, its arguments planned now."""
        arguments = self.planner.arguments(tool, self.state, self.rng, step.wishes if step else (), attempt=attempt)
        return Pending(tool, arguments, step, attempt)

    def score(self, tool: ToolInfo) -> float:
        """How much a call of ``tool`` promises now."""
        key, memory = tool.key, self.planner.memory
        called = self._called[key]
        if called >= self.repeats or (memory.hopeless(key) and key not in self._focus):
            return -1.0
        slots = tool.needed()
        flows = [self.planner.best_flow(slot, self.state) for slot in slots]
        best = max(flows, default=0.0)
        score = best if best >= STRONG else 0.0
        if not all(self.planner.suppliable(slot, self.state) for slot in slots):
            score -= 0.4 if self.cover else 1.0
        name = set(words(key.tool))
        writes = self._writes[key]
        if self._last_write == key.server and not writes:
            score += 0.35
        if not self.state.seen:
            # Something must come first: what needs nothing that only a result can tell.
            score += 0.6 - 0.05 * len(slots) - (0.2 if writes else 0.0)
        if not slots and self.state.seen and self._last_write != key.server:
            score += 0.35 if not any(seen.tool.server == key.server for seen in self.state.seen) else 0.1
        if best >= STRONG and self.state.seen and self.state.seen[-1].tool.server != key.server:
            score += 0.1
        score -= 0.35 * called + 0.06 * math.log1p(memory.succeeded[key])
        score -= 0.3 * bool(name & _DULL) + 0.4 * bool(name & _NOW)
        if tool.annotations.get("destructiveHint") is True or name & {"delete", "remove", "cancel", "reset", "clear"}:
            score -= 0.15
        if memory.tried[key] >= 3 and key not in self._focus:
            score -= 0.5 * (1 - memory.success_rate(key))
        if self.cover and not called and name & MAKES and not any(slot.identifies for slot in slots):
            score += 0.2  # what others need must be made first
        if self._focus:
            score += 0.6 - 1.2 * bool(self._won[key]) if key in self._focus else -0.7 - 0.4 * called
        elif self.cover:
            score += 0.4 - 0.3 * called
        return score + 0.12 * self.rng.random()


def made(tool: ToolInfo, arguments: JsonObject, call: int) -> list[Seen]:
    """What a successful call that makes things made: known from now on by the name, id or path that it was given."""
    verbs = [word for word in words(tool.key.tool) if word in MAKES]
    if not verbs:
        return []
    thing = [word for word in words(tool.key.tool) if word != verbs[0] and word not in ("new", "a")]
    about = "_".join(thing[-2:])
    found = []
    for name, value in arguments.items():
        if isinstance(value, str) and 0 < len(value) <= 120 and set(words(name)) & _NAMING:
            called = f"{about}_{name}" if name in ("name", "id", "key", "title", "path", "slug") else name
            found.append(Seen(value, called, f"$.{called}", "$", tool.key, call, 0.5))
    return found


def is_plumbing(name: str) -> bool:
    """Whether a tool's name says that it is about the server itself, or about the present moment."""
    return bool(set(words(name)) & (_DULL | _NOW))


def is_write(tool: ToolInfo) -> bool:
    """Whether a tool may change what others answer, by its annotations, then its verb; one of unknown verb may."""
    if tool.annotations.get("readOnlyHint") is True:
        return False
    found, _ = verb_class(Tool(tool.key.server, {"name": tool.key.tool, "description": tool.description}))
    return found is not VerbClass.READ
