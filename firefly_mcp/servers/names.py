"""Exposed names: what a tool is called behind an endpoint that may stand for several servers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from firefly_mcp.errors import ConfigError
from firefly_mcp.types import ToolKey

MAX_LENGTH = 64
"""Model vendors refuse longer tool names."""
_HASH_DIGITS = 6
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]+")


def slug(name: str) -> str:
    """A server's name in ``[A-Za-z0-9_-]``: every run of other characters becomes one hyphen, none at either end."""
    return _FORBIDDEN.sub("-", name).strip("-") or "server"


def joined(server: str, name: str) -> str:
    """``{server}_{name}`` with the server slugged; over 64 characters cut, and told apart by six hex digits of its hash."""
    full = f"{slug(server)}_{name}"
    if len(full) <= MAX_LENGTH:
        return full
    digest = hashlib.blake2b(full.encode(), digest_size=8).hexdigest()[:_HASH_DIGITS]
    return f"{full[: MAX_LENGTH - _HASH_DIGITS - 1]}_{digest}"


class ExposedNames:
    """A bijection between tool keys and exposed names.

    One server keeps its tools' own names, whatever they are; several get :func:`joined` names.
    """

    def __init__(self, keys: Iterable[ToolKey], *, single: bool) -> None:
        """Name every key.

        Args:
            keys: the tools; a key given twice counts once.
            single: whether the endpoint stands for one server.

        Raises:
            ConfigError: two tools would get one name.
        """
        self._exposed: dict[ToolKey, str] = {}
        self._keys: dict[str, ToolKey] = {}
        for key in keys:
            if key in self._exposed:
                continue
            name = key.tool if single else joined(key.server, key.tool)
            other = self._keys.get(name)
            if other is not None:
                raise ConfigError(f"tools {other} and {key} would both be called {name!r}; rename one of the servers")
            self._exposed[key] = name
            self._keys[name] = key

    def exposed(self, key: ToolKey) -> str:
        """The exposed name of a tool. Raises ``KeyError`` for one that was not named."""
        return self._exposed[key]

    def key(self, exposed: str) -> ToolKey | None:
        """The tool behind an exposed name, or None."""
        return self._keys.get(exposed)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, exposed: object) -> bool:
        return exposed in self._keys
