"""What a server's configuration says of its state."""

from __future__ import annotations

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording


def declared_stateless(recording: Recording) -> set[str]:
    """The servers whose configuration says ``"firefly": {"stateless": true}``."""
    own = {name: (spec or {}).get("firefly") or {} for name, spec in queries.servers(recording).items()}
    return {name for name, settings in own.items() if settings.get("stateless") is True}
