"""What a user says of one tool's matching: the part of ``replay.toml`` that typed matching reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.types import MatchKind


@dataclass(frozen=True)
class ToolRules:
    """Rules for one tool.

    Attributes:
        ignore: JSON pointers (``*`` for every member) of arguments that never matter.
        kinds: kinds by JSON pointer, before what schema, name and recording say.
        off: names of normalization rules that are switched off.
        threshold: the greatest distance at which free text may still answer; None for the embedder's own.
        highest: the highest rung that may answer this tool; None for the replay's own.
        observed: kinds by JSON pointer that the recorded values show (:mod:`firefly_mcp.match.observe`); a user's come before.
    """

    ignore: frozenset[str] = frozenset()
    kinds: Mapping[str, ArgumentKind] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    threshold: float | None = None
    highest: MatchKind | None = None
    observed: Mapping[str, ArgumentKind] = field(default_factory=dict)


NO_RULES = ToolRules()
"""Nothing said."""
