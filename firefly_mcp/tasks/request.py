"""Write a request without a model: a grammar over the plan.

Each step is said as its goal, in the tool's own plain words, with the literals it needs and what it takes from which earlier
step; the answer fields are asked for at the end, at the beginning, or where they arise. Frames are drawn by a hash of the plan.
What was written is checked: it states every literal and no other, points at nothing unsaid, and is short; else it is
written again in other and fewer words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firefly_mcp.tasks.clauses import Clauses, is_untold
from firefly_mcp.tasks.frames import APART, ASK, ASK_APART, FIRST, JOINT, LAST, NEXT, QUESTION, WANT, WAY, Choice, Frames
from firefly_mcp.tasks.literals import stated_values
from firefly_mcp.tasks.model import PlanNode, Proof
from firefly_mcp.tasks.pronouns import unresolved
from firefly_mcp.tasks.references import select_label as select_label
from firefly_mcp.tasks.slots import difference
from firefly_mcp.tasks.steps import steps_of
from firefly_mcp.types import Tool, ToolKey

MAX_WORDS = 60
_TRIES = 7
_BRIEF_FROM = 2
_TERSE_FROM = 5


def write_request(
    plan: Sequence[PlanNode], evidence: Mapping[str, Proof], tools: Mapping[ToolKey, Tool], labels: Mapping[str, str]
) -> str:
    """The request for a plan: the first of several writings that passes every check, else the shortest.

    Args:
        plan: the calls in order.
        evidence: the answer fields and where they are found.
        tools: definitions of the plan's tools.
        labels: a label in plain words for each answer field.
    """
    needed = stated_values(list(plan), evidence, tools)
    seed = "|".join(f"{node.key}{node.arguments}" for node in plan) + "|".join(map(repr, evidence.items()))
    shortest = ""
    for attempt in range(_TRIES):
        choice = Choice(f"{seed}#{attempt}" if attempt else seed, terse=attempt >= _TERSE_FROM)
        request = _Writing(plan, evidence, tools, labels, choice, brief=attempt >= _BRIEF_FROM).text()
        if difference(needed, request) == ([], []) and not unresolved(request):
            if len(request.split()) <= MAX_WORDS:
                return request
            if not shortest or len(request.split()) < len(shortest.split()):
                shortest = request
    return shortest or request


class _Writing:
    """One attempt at a request."""

    def __init__(
        self,
        plan: Sequence[PlanNode],
        evidence: Mapping[str, Proof],
        tools: Mapping[ToolKey, Tool],
        labels: Mapping[str, str],
        choice: Choice,
        *,
        brief: bool,
    ) -> None:
        self._steps = steps_of(plan, tools)
        self._choice = choice
        self._brief = brief
        self._used: set[str] = set()
        self._clauses = Clauses(self._steps, choice, brief=brief)
        self._asked: list[list[tuple[str, Proof]]] = [
            [(labels[name], proof) for name, proof in evidence.items() if step.holds(proof.node)] for step in self._steps
        ]

    def text(self) -> str:
        """The request."""
        answering = [at for at, fields in enumerate(self._asked) if fields]
        if len(answering) > 1:
            return self._asked_where_they_arise()
        at = answering[0]
        shape = self._choice.below(10)
        if at == len(self._steps) - 1 and shape < 3:
            return self._goal_first(at)
        if at == len(self._steps) - 1 and shape < 6:
            return self._sentences(self._clause(place) for place in range(at)) + self._asking_clause(at)
        asked = self._fields(at, elsewhere=at != len(self._steps) - 1)
        return self._sentences(self._clause(place) for place in range(len(self._steps))) + self._ask(asked, question=shape >= 8)

    def _goal_first(self, at: int) -> str:
        goal = self._said(WANT, self._fields(at))
        way = _capital(self._framed(WAY, self._clauses.of(0)))
        return (
            _capital(goal)
            + " "
            + self._sentences([way, *(self._clause(place) for place in range(1, len(self._steps)))]).strip()
        )

    def _asked_where_they_arise(self) -> str:
        text = ""
        for at in range(len(self._steps)):
            if self._asked[at]:
                text += self._asking_clause(at) + " "
            else:
                text += self._sentences([self._clause(at)])
        return text.strip()

    def _asking_clause(self, at: int) -> str:
        """A step together with the asking for its fields."""
        sought = self._sought(at)
        if sought:
            frames: Frames = FIRST if at == 0 else NEXT if self._clauses.follows(at) else APART
            return _stopped(_capital(self._framed([way for way in frames if ":" not in way[1]], self._said(ASK, [sought]))))
        clause = self._clause(at)
        fields = self._fields(at)
        if self._clauses.is_aside(at) or self._choice.below(5) < 3:
            return f"{_stopped(_capital(clause))} {_capital(self._said(ASK_APART, fields))}."
        ways = [way for way in JOINT if "and" in way[1]] if _is_question(clause) else JOINT
        joint = self._choice.of(ways).format(self._said(ASK, fields))
        return _stopped(f"{_capital(clause)}{'' if joint[0] in ',;' else ' '}{joint}")

    def _sought(self, at: int) -> str:
        """What a step finds, where that is the one thing that is asked of it."""
        fields = self._asked[at]
        if not fields or not self._clauses.is_uniform(at, fields):
            return ""
        label, proof = fields[0]
        return (
            self._clauses.sought(at)
            if "only" in proof.select and (is_untold(label) or label == self._clauses.outcome(at))
            else ""
        )

    def _clause(self, at: int) -> str:
        last = at == len(self._steps) - 1
        frames: Frames = FIRST if at == 0 else NEXT
        if at and not self._clauses.follows(at):
            frames = APART
        elif last and len(self._steps) > 2:
            frames = [*NEXT, *LAST]
        return self._framed(frames, self._clauses.of(at))

    def _framed(self, frames: Frames, clause: str) -> str:
        if self._brief:
            frames = [way for way in frames if len(way[1].split()) <= 2]
        frame = self._choice.of([way for way in frames if way[1] not in self._used] or frames)
        self._used.add(frame)
        return frame.format(clause)

    def _sentences(self, clauses: object) -> str:
        return "".join(f"{_stopped(_capital(clause))} " for clause in clauses)  # type: ignore[attr-defined]

    def _ask(self, asked: Sequence[str], *, question: bool) -> str:
        if question:
            return _capital(self._said(QUESTION, asked))
        return _capital(self._said(ASK_APART, asked)) + "."

    def _said(self, frames: Frames, asked: Sequence[str]) -> str:
        if self._brief:
            frames = [way for way in frames if len(way[1].split()) <= 4]
        together = ", ".join(asked[:-1]) + " and " + asked[-1] if len(asked) > 1 else asked[0]
        return self._choice.of(frames).format(
            together, are="is" if len(asked) == 1 else "are", has="is" if len(asked) == 1 else "are"
        )

    def _fields(self, at: int, *, elsewhere: bool = False) -> list[str]:
        return self._clauses.fields(at, self._asked[at], elsewhere=elsewhere)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _stopped(clause: str) -> str:
    return f"{clause}?" if _is_question(clause) else f"{clause}."


def _is_question(clause: str) -> bool:
    return clause.split()[0].lower() in ("could", "can", "would")
