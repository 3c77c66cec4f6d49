"""What the user's ``replay.toml`` says of one tool's calls, as far as matching is concerned.

Apart from :mod:`firefly_mcp.replay.rules`, which reads the file, so that matching can be imported without replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from firefly_mcp.canonical import hash_json

if TYPE_CHECKING:
    from firefly_mcp.argkinds import ArgumentKind
    from firefly_mcp.types import MatchKind


@dataclass(frozen=True)
class ToolRules:
    """How calls of one tool are compared; without rules, as the schema says.

    Attributes:
        ignore: JSON pointers of arguments that are not compared (``*`` stands for every member). They do not count above
            the ``exact`` rung, where calls are equal as they are.
        kinds: JSON pointer to the kind of the argument there, in place of the one that would be found.
        off: names of normalization rules that are not applied.
        threshold: the largest distance at which free text still matches; None for the embedder's own.
        highest: the highest rung that may answer; None leaves that to the replay.
    """

    ignore: frozenset[str] = frozenset()
    kinds: Mapping[str, ArgumentKind] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    threshold: float | None = None
    highest: MatchKind | None = None

    def __hash__(self) -> int:
        return hash((self.ignore, frozenset(self.kinds.items()), self.off, self.threshold, self.highest))

    @cached_property
    def digest(self) -> str:
        """Hash of what decides the hashes of a call: the same for rules that differ in ``threshold`` or ``highest`` only."""
        kinds = {place: str(kind) for place, kind in self.kinds.items()}
        return hash_json({"ignore": sorted(self.ignore), "kinds": kinds, "off": sorted(self.off)})

    def allows(self, kind: MatchKind) -> bool:
        """Whether an answer of this kind may be served for this tool."""
        order = list(type(kind))
        return self.highest is None or order.index(kind) <= order.index(self.highest)
