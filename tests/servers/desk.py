"""A desk that makes up ids and stamps: it never does the same thing twice, unless random numbers and clock are fixed."""

from __future__ import annotations

import datetime
import random
import secrets
import tempfile
import time
import uuid
from typing import Any

from _run import run
from mcp.server.mcpserver import MCPServer

server = MCPServer("desk")


@server.tool()
def open_ticket(title: str) -> dict[str, Any]:
    """Open a ticket."""
    now = datetime.datetime.now(datetime.UTC)
    assert isinstance(now - datetime.timedelta(days=1), datetime.datetime)
    assert isinstance(datetime.datetime.strptime("2025-01-02", "%Y-%m-%d"), datetime.date)
    return {
        "id": str(uuid.uuid4()),
        "code": secrets.token_hex(4),
        "lot": random.random(),
        "draw": random.Random().random(),
        "folder": tempfile.mktemp(dir="/"),
        "title": title,
        "opened": now.isoformat(),
        "day": datetime.date.today().isoformat(),
        "seconds": time.time(),
        "waited": time.perf_counter() > 0,
    }


if __name__ == "__main__":
    run(server)
