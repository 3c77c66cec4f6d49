"""Canonical JSON and the hashes over it: equal calls have equal hashes on every machine, for ever.

The form: sorted keys, tight separators, UTF-8, integral floats written as integers. Protocol noise (``_meta``: progress
tokens, trace context, era envelopes) is left out of a call's identity. A hash carries the name of its algorithm.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, dumps_sorted

_ALGORITHM = "blake2b"
_FLOAT_LOOK = re.compile(rb"\.0|\d[eE]")


def canonical_json(value: JSON) -> bytes:
    """Encode ``value`` in canonical form."""
    data = dumps_sorted(value)
    if _FLOAT_LOOK.search(data):
        return dumps_sorted(_integral(value))
    return data


def _integral(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return value


def hash_bytes(data: bytes) -> str:
    """Hash bytes to ``blake2b:`` and 32 hex digits (128 bits)."""
    return f"{_ALGORITHM}:{hashlib.blake2b(data, digest_size=16).hexdigest()}"


def hash_json(value: JSON) -> str:
    """Hash any JSON value in canonical form."""
    return hash_bytes(canonical_json(value))


def identity_params(params: JsonObject | None) -> JsonObject:
    """A request's params without protocol noise, and an absent ``arguments`` the same as an empty one."""
    if not params:
        return {}
    kept = {key: value for key, value in params.items() if key != "_meta"}
    if not kept.get("arguments", True):
        del kept["arguments"]
    return kept


def call_hash(method: str, params: JsonObject | None) -> str:
    """The canonical hash of a request: what the ``exact`` rung of replay compares."""
    return hash_bytes(method.encode() + b"\n" + canonical_json(identity_params(params)))
