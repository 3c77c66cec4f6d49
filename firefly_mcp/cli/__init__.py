"""The command line: one command to a module, imported when it is invoked and not before."""

from __future__ import annotations

from firefly_mcp.cli.main import main

__all__ = ["main"]
