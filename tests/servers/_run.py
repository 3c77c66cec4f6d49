"""Runs a test server: on stdio, or with ``--http PORT`` over streamable HTTP."""

from __future__ import annotations

import argparse

from mcp.server.mcpserver import MCPServer


def run(server: MCPServer) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    port = parser.parse_args().http
    if port is None:
        server.run()
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)
