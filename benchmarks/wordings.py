"""Natural requests of our own around ComplexFuncBench's places, for it has little free text: recorded, asked in other words.

Each kind of request has one wording that is recorded, others that ask the same, and changes that ask something else. Wordings
for tuning (``dev``) and for the report (``test``) are different lists; nothing was tuned on the latter.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOOLS = [
    {
        "name": "Ask_Concierge",
        "description": "Ask the concierge anything about a trip, in plain words.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "trip_id": {"type": "string"},
                "request": {"type": "string", "description": "What you want to know"},
            },
            "required": ["trip_id", "request"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "Read_Document",
        "description": "Read a saved travel document.",
        "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        "annotations": {"readOnlyHint": True},
    },
]
ADJECTIVES = [("cheap", "expensive"), ("quiet", "noisy"), ("large", "small"), ("new", "old"), ("clean", "dirty")]
THINGS = ["hotel", "restaurant", "museum", "castle", "market", "park", "cafe", "theatre"]
FEATURES = ["a pool", "free parking", "a garden", "breakfast", "air conditioning", "a gym"]


@dataclass(frozen=True)
class Request:
    """One kind of request: wordings with slots ``{a} {o} {t} {u} {f} {x} {y} {z} {n} {m} {p} {q} {r}``.

    ``a`` is an adjective and ``o`` its opposite, ``t`` a thing, ``f`` a feature, ``x``, ``y`` and
    ``z`` places, ``n`` and ``m`` numbers, ``p``, ``q`` and ``r`` people, ``u`` another thing.
    """

    recorded: str
    dev: tuple[str, ...]
    test: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    """``(kind, wording)``: asks something else."""


REQUESTS = [
    Request(
        "Find a {a} {t} in {x} with {f}",
        ("a {a} {t} in {x} with {f}", "please find a {a} {t} with {f} in {x}", "I need a {a} {t} in {x} that has {f}"),
        (
            "Could you find me a {a} {t} in {x} with {f}?",
            "in {x}, a {a} {t} with {f}",
            "Looking for a {a} {t} with {f} in {x}",
            "we would like a {a} {t} in {x}, with {f}, please",
            "show {a} {t}s in {x} that have {f}",
        ),
        (
            ("place", "Find a {a} {t} in {y} with {f}"),
            ("antonym", "Find a {o} {t} in {x} with {f}"),
            ("negation", "Find a {a} {t} in {x} without {f}"),
            ("negation", "Find a {t} in {x} with {f} that is not {a}"),
            ("entity", "Find a {a} {u} in {x} with {f}"),
        ),
    ),
    Request(
        "How do I get from {x} to {y} by train?",
        ("how do i get to {y} from {x} by train", "how do I get from {x} to {y}, by train?"),
        (
            "How do I get by train from {x} to {y}?",
            "Tell me how I get from {x} to {y} by train",
            "how do we get from {x} to {y} by train, please",
            "By train, how do I get from {x} to {y}?",
        ),
        (
            ("roles", "How do I get from {y} to {x} by train?"),
            ("place", "How do I get from {x} to {z} by train?"),
            ("entity", "How do I get from {x} to {y} by bus?"),
            ("negation", "How do I not get from {x} to {y} by train?"),
        ),
    ),
    Request(
        "Which {t}s near {x} are open before noon?",
        ("{t}s near {x} that are open before noon", "which {t}s close to {x} are open before noon"),
        (
            "What {t}s near {x} are open before noon?",
            "Show me the {t}s near {x} which are open before noon",
            "{t}s nearby {x} open before noon",
            "are there any {t}s near {x} open before noon?",
        ),
        (
            ("antonym", "Which {t}s near {x} are open after noon?"),
            ("antonym", "Which {t}s near {x} are closed before noon?"),
            ("place", "Which {t}s near {y} are open before noon?"),
            ("negation", "Which {t}s near {x} are not open before noon?"),
        ),
    ),
    Request(
        "Tell the guide that {p} will meet {q} at the {x} {t}",
        ("tell the guide {p} will meet {q} at the {x} {t}", "please tell the guide that {p} will meet {q} at the {x} {t}"),
        (
            "Please tell the guide: {p} will meet {q} at the {x} {t}",
            "could you tell the guide that {p} will meet {q} at the {x} {t}?",
            "Tell our guide that {p} will meet {q} at the {x} {t}",
        ),
        (
            ("roles", "Tell the guide that {q} will meet {p} at the {x} {t}"),
            ("negation", "Tell the guide that {p} will not meet {q} at the {x} {t}"),
            ("place", "Tell the guide that {p} will meet {q} at the {y} {t}"),
            ("entity", "Tell the guide that {p} will meet {r} at the {x} {t}"),
        ),
    ),
    Request(
        "Buy tickets for children to the {x} {t}",
        ("purchase tickets for children to the {x} {t}", "buy tickets for kids to the {x} {t}"),
        (
            "Please purchase tickets to the {x} {t} for children",
            "I want to buy tickets for kids to the {x} {t}",
            "buy children tickets to the {x} {t}",
            "get kids tickets for the {x} {t}",
        ),
        (
            ("antonym", "Sell tickets for children to the {x} {t}"),
            ("entity", "Buy tickets for adults to the {x} {t}"),
            ("place", "Buy tickets for children to the {y} {t}"),
            ("negation", "Never buy tickets for children to the {x} {t}"),
        ),
    ),
    Request(
        "Reserve {n} seats on the boat tour of {x}",
        ("please reserve {n} seats on the boat tour of {x}", "reserve {n} seats on the {x} boat tour"),
        (
            "I would like to reserve {n} seats on the boat tour of {x}",
            "Can you reserve {n} seats on the {x} boat tour?",
            "book {n} seats on the boat tour of {x}",
        ),
        (
            ("numeral", "Reserve {m} seats on the boat tour of {x}"),
            ("negation", "Don't reserve {n} seats on the boat tour of {x}"),
            ("place", "Reserve {n} seats on the boat tour of {y}"),
            ("entity", "Reserve {n} seats on the bus tour of {x}"),
        ),
    ),
]
PEOPLE = ["Anna", "Boris", "Chiara", "Daisuke", "Elif", "Farid", "Greta", "Hugo"]


def slots(draw: random.Random, places: list[str]) -> dict[str, str]:
    """One filling of the slots."""
    adjective, opposite = draw.choice(ADJECTIVES)
    thing, other = draw.sample(THINGS, 2)
    x, y, z = draw.sample(places, 3)
    p, q, r = draw.sample(PEOPLE, 3)
    feature = draw.choice(FEATURES)
    n, m = draw.sample(["2", "3", "four", "5", "six", "12"], 2)
    return {
        "n": n,
        "m": m,
        "a": adjective,
        "o": opposite,
        "t": thing,
        "u": other,
        "f": feature,
        "x": x,
        "y": y,
        "z": z,
        "p": p,
        "q": q,
        "r": r,
    }


PLACE_WORDINGS: dict[str, tuple[Callable[[str], str], ...]] = {
    "dev": (str.lower, lambda text: f"the {text}", lambda text: f"{text}."),
    "test": (
        str.upper,
        str.lower,
        lambda text: f"find {text}",
        lambda text: f"show me {text}, please",
        lambda text: f"  {text} ",
        lambda text: " ".join(text.split()[:-1]) + f", {text.split()[-1]}" if " " in text else f'"{text}"',
    ),
}
"""Other ways to write the name of a place, as the data set's own free text is."""


def concierge(trip: str, request: str) -> dict[str, Any]:
    """The arguments of one request."""
    return {"trip_id": trip, "request": request}
