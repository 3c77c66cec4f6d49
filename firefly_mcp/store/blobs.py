"""Content addressing: each result, and each large image or audio inside one, is stored once.

A string of ``LARGE`` characters or more under ``data`` or ``blob`` (base64 in MCP content) is taken out of the result and
replaced by ``{"firefly/blob": hash}``; :func:`join` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firefly_mcp.canonical import hash_bytes
from firefly_mcp.jsonio import JSON

MARK = "firefly/blob"
LARGE = 4096


def split(value: JSON) -> tuple[JSON, dict[str, str]]:
    """The value with its large strings taken out, and those strings by hash."""
    parts: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            out = {}
            for key, item in node.items():
                if key in ("data", "blob") and isinstance(item, str) and len(item) >= LARGE:
                    digest = hash_bytes(item.encode())
                    parts[digest] = item
                    out[key] = {MARK: digest}
                else:
                    out[key] = walk(item) if isinstance(item, dict | list) else item
            return out
        if isinstance(node, list):
            return [walk(item) if isinstance(item, dict | list) else item for item in node]
        return node

    return walk(value), parts


def join(value: JSON, get: Callable[[str], str]) -> JSON:
    """The value with its large strings put back; ``get`` reads one by hash."""
    if isinstance(value, dict):
        if len(value) == 1 and MARK in value:
            return get(value[MARK])
        return {key: join(item, get) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [join(item, get) if isinstance(item, dict | list) else item for item in value]
    return value
