"""Firefly MCP: real MCP servers become verified, offline, trainable tool-calling environments.

This package is the core: pure, typed, deterministic. It opens no network server, asks no model and needs no torch.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
