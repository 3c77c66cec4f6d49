"""Rules that a user writes as TOML: every mistake in them is one line that names the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firefly_mcp.errors import ConfigError
from firefly_mcp.jsonio import JsonObject


def read_toml(path: Path, what: str) -> JsonObject:
    """The content of a TOML file; ``what`` says in an error what it should have held.

    Raises:
        ConfigError: missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = "is a folder" if path.is_dir() else getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read as {what} ({reason})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


@dataclass(frozen=True, slots=True)
class TableReader:
    """Checks the tables of one source, which its errors name."""

    source: str

    def error(self, key: str, what: str) -> ConfigError:
        """The error for one key."""
        return ConfigError(f"{self.source}: {key}: {what}")

    def known(self, table: Mapping[str, Any], names: Iterable[str], inside: str) -> None:
        """Refuse a key that is none of ``names``.

        Raises:
            ConfigError: names the key, with ``inside`` before it, and the known ones.
        """
        for key in table:
            if key not in names:
                raise self.error(f"{inside}{key}", f"no such key; known are {', '.join(names)}")
