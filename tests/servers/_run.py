"""Runs a test server: on stdio, or with ``--http PORT`` over streamable HTTP; ``--handshake`` leaves the stateless era out."""

from __future__ import annotations

import argparse
from typing import Any

import mcp.types as types
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError


async def handshake_only(ctx: Any, call_next: Any) -> Any:
    """What a server answers that was written before the stateless era."""
    if ctx.method == "server/discover":
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found")
    return await call_next(ctx)


def run(server: MCPServer) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    parser.add_argument("--handshake", action="store_true")
    options = parser.parse_args()
    port = options.http
    if options.handshake:
        server.middleware.append(handshake_only)
    if port is None:
        server.run()
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)
