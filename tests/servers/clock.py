"""A clock: the same call never gives the same answer."""

from __future__ import annotations

import itertools
import time
from typing import Any

from _run import run
from mcp.server.mcpserver import MCPServer

server = MCPServer("clock")
_ticks = itertools.count(1)


@server.tool()
def now(zone: str = "UTC") -> dict[str, Any]:
    """The time now, in seconds since 1970."""
    return {"zone": zone, "seconds": time.time(), "tick": next(_ticks)}


@server.tool()
def elapsed(since: float) -> dict[str, Any]:
    """Seconds since a time given by now."""
    return {"seconds": time.time() - since}


if __name__ == "__main__":
    run(server)
