"""JSON in and out without loss: integers of any size, and the NaN that some servers print.

msgspec decodes integers exactly where faster decoders round them to a float; orjson encodes fastest. Each falls back to
the standard library for the rare text it refuses, so that a message is never dropped because a number in it is odd.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

JSON = Any
"""Any JSON value: ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` or ``dict`` with string keys."""
JsonObject = dict[str, Any]

_decode = msgspec.json.Decoder().decode


def loads(data: bytes | str) -> JSON:
    """Decode one JSON document.

    Raises:
        ValueError: the text is not JSON.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)


def dumps(value: JSON) -> bytes:
    """Encode as compact UTF-8 JSON, keys in their own order."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers past 64 bits, lone surrogates
        return json.dumps(value, separators=(",", ":")).encode()


def dumps_sorted(value: JSON) -> bytes:
    """Encode as compact UTF-8 JSON with sorted keys."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=True).encode()


def text(value: JSON) -> str:
    """Encode as compact JSON text."""
    return dumps(value).decode()
