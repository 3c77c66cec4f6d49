"""The words of the grammar: for each place in a request the ways in which it can be said.

``{}`` is what fills the frame. A way that is short is drawn more often than one of many words: in a set of thousands of
requests nobody notices "Report the total", but everybody "I would be grateful for the total". How often is measured by
:func:`firefly_mcp.tasks.sameness.frame_shares`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Frames = Sequence[tuple[int, str]]
"""Each with its weight."""


class Choice:
    """Draws that depend on nothing but the plan: the same plan is always asked in the same words."""

    def __init__(self, seed: str, *, terse: bool = False) -> None:
        """``terse`` draws only from the frames of the fewest words."""
        self._seed = seed
        self._count = 0
        self._terse = terse

    def of(self, frames: Frames) -> str:
        """One of the frames, by weight."""
        if self._terse:
            least = min(len(frame.split()) for _, frame in frames)
            frames = [way for way in frames if len(way[1].split()) == least]
        at = self.below(sum(weight for weight, _ in frames))
        for weight, frame in frames:
            at -= weight
            if at < 0:
                return frame
        raise AssertionError("weights are positive")

    def below(self, end: int) -> int:
        """A number from 0 to ``end - 1``."""
        self._count += 1
        digest = hashlib.blake2b(f"{self._count}|{self._seed}".encode(), digest_size=6).digest()
        return int.from_bytes(digest, "big") % end


def _frames(often: str, seldom: str, *, weight: int = 4) -> Frames:
    """Ways parted by ``|``; those that are drawn often have ``weight``, the others 1."""
    return [
        *((weight, " ".join(way.split())) for way in often.split("|")),
        *((1, " ".join(way.split())) for way in seldom.split("|")),
    ]


ASK: Frames = _frames(
    """report {}|give {}|state {}|return {}|show {}|name {}|quote {}|provide {}|send {}|supply {}|present {}|share {}|note {}
    |cite {}""",
    """tell me {}|give me {}|show me {}|send me {}|let me know {}|let me have {}|reply with {}|answer with {}|come back with {}
    |get me {}|tell us {}|pull out {}|point out {}|end with {}|finish with {}|respond with {}|get back to me with {}
    |fill me in on {}|send over {}|hand over {}|bring me {}|pick out {}|set out {}|make a note of {}|jot down {}|spell out {}
    |let us know {}|pass on {}|read out {}|write down {}|look for {}|extract {}|record {}|mention {}|include {}""",
    weight=9,
)
"""Asking for answer fields; each can stand as a sentence or after "and"."""

ASK_APART: Frames = [
    *ASK,
    *_frames(
        "",
        """I'd like {}|I want to know {}|I need to know {}|I'd like to know {}|what I need {are} {}|what I want {are} {}
        |of interest {are} {}|I am interested in {}""",
        weight=0,
    )[1:],
]
"""The same as a sentence of its own."""

JOINT: Frames = _frames("; {}", ", and {}| and {}|, then {}", weight=4)
"""Joins the asking to the step before; else it is a sentence of its own."""

QUESTION: Frames = _frames(
    "{}?|and {}?",
    """what {are} {}?|so what {are} {}?|and what {are} {}?|what do you get for {}?|what does that give for {}?
    |what do you find for {}?|what {are} {} then?|now what {are} {}?|what, then, {are} {}?|what do you see for {}?
    |what comes out for {}?""",
    weight=2,
)

WANT: Frames = _frames(
    "wanted: {}.|needed: {}.|goal: {}.|to find: {}.|asked for: {}.|sought: {}.",
    """I need {}.|I am after {}.|I'm after {}.|we want {}.|we need {}.|I want {}.|I'd like {}.|I would like {}.
    |I am looking for {}.|I'm looking for {}.|what {are} {}?|help me find {}.|please find out {}.
    |my question is about {}.|I have to report {}.|I must find {}.|I was asked for {}.|a colleague needs {}.
    |I'm missing {}.|I'm trying to find {}.|I want to know {}.|can you find {}?|could you find {}?
    |could you get me {}?|can you tell me {}?|would you find {}?
    |do you know {}?|I wonder about {}.|I'm curious about {}.|my report lacks {}.""",
    weight=2,
)
"""Naming the goal first; the way to it follows."""

WAY: Frames = _frames(
    "{}|first, {}|first {}|please {}|start: {}",
    "to begin, {}|for this, {}|for that, {}|to get there, {}|to do so, {}|to that end, {}|step by step: {}|to start, {}",
    weight=4,
)
"""The first sentence after the goal was named."""

FIRST: Frames = _frames(
    "{}|please {}|first, {}|first {}|could you {}|can you {}",
    """to start, {}|to begin, {}|start like this: {}|to begin with, {}|start off: {}|I'd like you to {}
    |I need you to {}|I want you to {}|help me: {}|first of all, {}|hi, please {}|hello, please {}|kindly {}
    |do this for me: {}|for a start, {}|a small job: {}|would you {}|would you please {}|could you please {}
    |can you please {}|as a first step, {}|your first step: {}""",
    weight=8,
)

NEXT: Frames = _frames(
    "then {}|next, {}|next {}|then, {}|now {}|afterwards, {}|afterwards {}|also {}",
    """after that, {}|with that done, {}|that done, {}|once done, {}|when done, {}|when that is done, {}
    |once that is done, {}|following that, {}|from there, {}|having done that, {}|the next step: {}
    |as a next step, {}|go on: {}|carry on: {}|continue: {}|from here, {}|at this point, {}|moving on, {}""",
    weight=10,
)

APART: Frames = _frames(
    "also {}|separately, {}|separately {}|besides, {}|moreover, {}|additionally, {}|likewise {}|meanwhile, {}|elsewhere, {}",
    """apart from that, {}|in addition, {}|on another note, {}|aside from that, {}|as a separate matter, {}
    |independently of this, {}|for another matter, {}|on the side, {}|besides that, {}|next to that, {}
    |at the same time, {}|as well, {}""",
    weight=8,
)
"""A step that takes nothing from those before."""

LAST: Frames = _frames(
    "finally, {}|lastly, {}|finally {}|last, {}",
    """at the end, {}|to finish, {}|in the end, {}|to close, {}|as the last step, {}|the last step: {}|to wrap up, {}
    |to conclude, {}""",
    weight=10,
)

WITH: Frames = _frames(
    "with {}|using {}|given {}|for {}|, with {}|, given {}|, using {}",
    "by {}|, taking {}|on the basis of {}|working with {}",
    weight=10,
)
"""Joins the arguments to the goal; parentheses are the other way."""

HERE: Frames = _frames(
    "that {}|this {}",
    """the resulting {}|the {} you get|the {} from that|the {} found|the {} you found|the {} just found|the {} from there
    |the {} returned|the {} shown|the {} obtained|the {} so found|the {} it gives|the {} you obtain|the {} just obtained
    |the {} you received|the {} you see there""",
    weight=8,
)
"""A value of the step just before."""

BACK: Frames = _frames(
    "step {n}'s {}",
    """the {nth} step's {}|the {} from step {n}|the {} found in step {n}|the {} of step {n}|the {} in step {n}
    |the {} that step {n} gave|the {} you got in step {n}|the {} from the {nth} step|the {} of the {nth} step
    |the {} in the {nth} step|the {} seen in step {n}|the {} step {n} found|the {} step {n} returned""",
    weight=5,
)
"""A value of a step further back."""

BACK_AMONG: Frames = _frames(
    "step {n}'s {}|the {} (step {n})",
    "the {nth} step's {}|the {} in step {n}|the {} from step {n}|the {} of step {n}|from the {nth} step the {}",
    weight=2,
)
"""The same for a value of one item among several."""

BOTH: Frames = _frames(
    "for {both} {several} {values}|for the {several} {values}|for each of {several} {apart}|{times} ({several} {apart})",
    """with the {several} {values}|{times}, for {values} as {single}|{times}, with {values} as {single}
    |separately for {several} {apart}|in turn for {several} {apart}|one after another for {several} {apart}""",
    weight=2,
)
"""One tool called with several values of one argument."""

BOTH_SETS: Frames = _frames(
    "for {both} {sets}|for {sets}",
    "{times}, for {sets}|{times}, with {sets}|separately for {sets}|in turn for {sets}|with {sets} in turn",
    weight=2,
)
"""The same where more than one argument differs."""

EACH: Frames = _frames(
    "{} for {both}|{} each time",
    "{} in {both} cases|{} for {each}|{} of {each}|{} in each case|{} that {each} of them gives|{} of {both} of them",
    weight=2,
)
"""A field asked of every one of them."""

AS: Frames = _frames(
    "{value} as {role}",
    "{value} as the {role}|{role} taken from {value}|{value} serving as {role}|{value} acting as {role}|{value} used as {role}",
    weight=14,
)
"""A value in the part of an argument of another name."""

ARRAY: Frames = _frames(
    "{role} of {members}",
    "{role} made up of {members}|{role} consisting of {members}|{role} made of {members}",
    weight=4,
)
"""An argument that is an array, some of whose members come from results."""

WHICH: Frames = _frames(
    "{item} with {conditions}",
    """{item} having {conditions}|{item} that has {conditions}|{item} that shows {conditions}|{item} listed with {conditions}
    |{item} showing {conditions}""",
    weight=6,
)
NAMED: Frames = _frames("{item} {value}", "{item} {named} {value}|{item} {named} {value}", weight=1)

WHERE: Frames = _frames(
    "{of} for {conditions}|{of} ({which})",
    """{of} of the {which}|{of} for the {which}|{of} in the {which}|{of} belonging to the {which}|{of} held by the {which}
    |{of} that the {which} has|{of} that goes with the {which}|{of} listed for the {which}|{of} shown by the {which}
    |{of} which the {which} has""",
    weight=24,
)
"""A value of one item among several, chosen by conditions."""

EXTREME: Frames = _frames(
    "{of} ({most} {by})|{of} ({item} with {most} {by})",
    """{of} of the {item} with the {most} {by}|{of} where the {by} is {most}|{of} of the {item} that has the {most} {by}
    |{of} of whichever {item} has the {most} {by}|{of} of the {item} having the {most} {by}
    |{of} for the {most} {by}|{of} of the {item} whose {by} is {most}""",
    weight=3,
)

IN_ORDER: Frames = _frames(
    "{nth} {of} alphabetically|alphabetically {nth} {of}|{nth} {of} by alphabet|{nth} {of} (by alphabet)",
    """{nth} {of} in alphabetical order|{of} that comes {nth} in the alphabet|{of} that sorts {nth} by alphabet
    |{of} that is {nth} alphabetically|{of} coming {nth} in the alphabet|{of} which sorts {nth} alphabetically
    |{nth} {of} (alphabetically)|{nth} {of} in the alphabet|{nth} {of} when sorted by letters|{nth} {of} (sorted by letters)""",
    weight=1,
)
"""The first or last of texts."""
