"""All evidence of an edge as one number, 0..1: how likely it is that the edge holds.

What is said *of* the tools (how well an output field fits, how near the descriptions are) is one opinion, made by a logistic
regression over the two: they look at the same words, and together say more than either. What was *seen* (values flowing, values
passed on) and what a model judged are opinions of their own. Opinions are put together by a noisy-or, ``1 - Π (1 - p)``
(Pearl, 1988): the score never falls when any evidence grows, and is 0 without evidence.

The coefficients are fitted by ``python -m benchmarks.graph --fit`` on one half of ComplexFuncBench's requests, and the
benchmark reports on the other half. The regression is fitted on the definitions of 40 tools, against the edges over which data
went in these requests; ``text`` is the share that hold of the edges that it thinks likelier than not; ``flow`` is the share of
true flows among those labelled by hand there; ``echo`` the share of edges only passed on that turned out to be used in other
requests. What a model's word is worth is set, not fitted: there was no model to ask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JUDGEMENTS = {"high": 0.6, "medium": 0.3, "low": 0.0}
"""The most that the word of a model says alone; ``low`` takes nothing away from what was seen."""


@dataclass(frozen=True)
class Coefficients:
    """What was fitted.

    Attributes:
        intercept: of the regression.
        schema: of the fit of an output field.
        description: of the similarity of descriptions.
        text: the most that words say.
        flow: the most that flows say.
        echo: the most that values passed on say.
    """

    intercept: float
    schema: float
    description: float
    text: float
    flow: float
    echo: float


FITTED = Coefficients(intercept=-7.09, schema=3.77, description=10.98, text=0.8, flow=0.96, echo=0.54)


def strength(kind: str, evidence: Mapping[str, Any]) -> float:
    """How much one kind of evidence says by itself, 0..1 before its coefficient.

    ``flow`` and ``echo``: ``1 - 2 ** -(weight * (1 - false_rate))``, where ``weight`` sums the informativeness of the different
    values that flowed: one unmistakable value says 0.5, two say 0.75. ``schema`` and ``description``: their fit.
    ``judgement``: its level.
    """
    if kind in ("flow", "echo"):
        return 1.0 - math.exp2(-float(evidence["weight"]) * (1.0 - float(evidence["false_rate"])))
    if kind == "schema":
        return float(evidence["fit"])
    if kind == "description":
        return float(evidence["similarity"])
    return JUDGEMENTS.get(str(evidence.get("level")), 0.0)


def score_of(evidence: Mapping[str, Mapping[str, Any]], fitted: Coefficients = FITTED) -> float:
    """All evidence as one score, to four decimals."""
    found = {kind: min(1.0, max(0.0, strength(kind, one))) for kind, one in evidence.items()}
    doubt = 1.0 - fitted.flow * found.get("flow", 0.0)
    doubt *= 1.0 - fitted.echo * found.get("echo", 0.0)
    doubt *= 1.0 - found.get("judgement", 0.0)
    schema, description = found.get("schema", 0.0), found.get("description", 0.0)
    if schema or description:
        says = fitted.intercept + fitted.schema * schema + fitted.description * description
        doubt *= 1.0 - fitted.text / (1.0 + math.exp(-says))
    return round(1.0 - doubt, 4)
