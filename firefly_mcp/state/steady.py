"""What of an answer is not the moment's own: two runs of one call may differ in clocks and durations and still say the same.

A server that stamps its answers with the time, or tells how long it took, never answers twice to the byte. What is compared to
prove a beginning, or to learn what affects what, is the answer without these. Ids that a server makes up stay in: a session
that goes on with such an id is another session.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, loads

_DURATION = re.compile(
    r"(?:^|_)(?:elapsed|duration|runtime|took|latency|uptime|(?:execution|processing|computation|compute|response|query|run|wall|cpu|"
    r"total|parse|search|render|build|generation|solve)_?time)(?:_?(?:ms|sec|secs|seconds|millis|milliseconds|us|ns)|_s)?$"
    r"|(?:^|_)(?:time|took)_?(?:ms|us|ns|millis|milliseconds)$",
    re.I,
)
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|[+-]\d{2}:?\d{2}))?")
_TOOK = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\s?(?:ms|µs|us|ns|milliseconds|msec|seconds|secs|sec|s)\b")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DAY = 86_400.0
_MASK = "\u2026"


def steady(result: JsonObject, at: float) -> JSON:
    """A result with the moment's own values masked.

    Args:
        result: of a tool call.
        at: when it was given, in seconds since 1970; only stamps within a day of it are its moment.
    """
    return _masked(result, "", at)


def _masked(value: Any, name: str, at: float) -> JSON:
    if isinstance(value, dict):
        return {key: _masked(item, str(key), at) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, name, at) for item in value]
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, int | float) and not isinstance(value, bool):
        clock = any(abs(value / scale - at) < _DAY for scale in (1.0, 1e3, 1e6, 1e9))
        if clock or _DURATION.search(_CAMEL.sub("_", name)):
            return _MASK
    return value


def _text(text: str, at: float) -> JSON:
    inner = text.lstrip()[:1]
    if inner in ("{", "["):
        try:
            return _masked(loads(text), "", at)
        except ValueError:
            pass  # only looks like JSON
    text = _STAMP.sub(lambda match: _MASK if _is_now(match.group(1), at) else match.group(), text)
    return _TOOK.sub(_MASK, text)


def _is_now(day: str, at: float) -> bool:
    try:
        noon = datetime.strptime(f"{day} 12", "%Y-%m-%d %H").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return abs(noon - at) < 2 * _DAY


def alike(one: JsonObject | None, other: JsonObject | None, at: tuple[float, float]) -> bool:
    """Whether there are two results that say the same but for the moments ``at`` which they were given."""
    if one is None or other is None:
        return False
    return bool(steady(one, at[0]) == steady(other, at[1]))
