"""What a replay may do: the highest rung of the ladder, how strict it is about state, and where sessions begin."""

from __future__ import annotations

from dataclasses import dataclass

from firefly_mcp.types import MatchKind


@dataclass(frozen=True, slots=True)
class ReplayPolicy:
    """The user's choices for one replay.

    Attributes:
        match: the highest rung that may answer (``exact``, ``normalized`` or ``semantic``).
        lenient: answer from another state where no recorded call has this one, and say so.
        start: where sessions begin: a session's id or key, an origin, or None to choose the only one there is.
        provenance: tell the client how each answer was found, in ``_meta``; the log always knows.
    """

    match: MatchKind = MatchKind.NORMALIZED
    lenient: bool = False
    start: str | None = None
    provenance: bool = True

    def allows(self, kind: MatchKind) -> bool:
        """Whether answers of this kind may be served."""
        order = list(MatchKind)
        return order.index(kind) <= order.index(self.match)
