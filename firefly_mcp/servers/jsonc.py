"""JSON with comments and trailing commas, as editors write it; an error says line and column of the file as it is."""

from __future__ import annotations

import json
import re
from typing import Any

from firefly_mcp.errors import ConfigError

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)


def parse_jsonc(text: str, source: str) -> Any:
    """Decode ``text``; ``source`` names it in errors.

    Raises:
        ConfigError: not JSON, or an object has the same key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError:
        pass
    except _DuplicateError as error:
        raise ConfigError(f"{source}: {error}") from None
    # Comments become blanks of the same length, so that every place in the text stays where it is.
    plain = _TOKEN.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]), text)
    plain = _TRAILING_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", plain)
    try:
        return json.loads(plain, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except _DuplicateError as error:
        raise ConfigError(f"{source}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None


class _DuplicateError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _DuplicateError(f"the key {twice!r} stands twice in one object")
    return out
