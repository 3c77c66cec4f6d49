"""What the replay index is about: recorded answers that could be served, and the ends of recorded sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from firefly_mcp.state.history import Writer
from firefly_mcp.types import ToolKey


class Candidate(NamedTuple):
    """One recorded answer that could be served.

    ``position`` counts the answered calls of its session on its server, from 0. ``outcome`` is the hash of its result, or
    ``error:`` and a hash of its JSON-RPC error: candidates of one outcome say the same.
    """

    call: int
    session: int
    position: int
    state_key: str
    outcome: str
    args_hash: str

    @property
    def result_hash(self) -> str | None:
        """The hash of its result; None for a JSON-RPC error."""
        return None if self.outcome.startswith("error:") else self.outcome


class End(NamedTuple):
    """Where a recorded session left a server: what a session that continues it begins with."""

    origin: str
    writers: tuple[Writer, ...] = ()
    totals: Mapping[ToolKey, int] | None = None
