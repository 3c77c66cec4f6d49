"""The envelope of the stateless era (2026-07-28): every request says its version and capabilities, in body and headers.

The order of the checks and their codes follow the protocol's HTTP transport: envelope, agreement of headers with body,
then the version.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.http_checks import Headers
from firefly_proxies.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    META_CAPABILITIES,
    META_VERSION,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    STATELESS_VERSIONS,
    UNSUPPORTED_VERSION,
    error,
    meta_of,
    params_of,
)

VERSION_HEADER = b"mcp-protocol-version"
_ROUTING = (VERSION_HEADER, b"mcp-method", b"mcp-name")
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}


def status_of(answer: JsonObject) -> int:
    """The HTTP status that goes with a response of this era."""
    failure = answer.get("error")
    return _STATUS.get(failure["code"], 200) if isinstance(failure, dict) else 200


def duplicated_header(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The name of a header of this era that was sent twice, or None: readers of the first and the last would disagree."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _ROUTING or name.startswith(b"mcp-param-"):
            if name in seen:
                return name.decode()
            seen.add(name)
    return None


def unsupported(request_id: Any, requested: str) -> JsonObject:
    """The error for a version that nobody here speaks."""
    data = {"supported": list(STATELESS_VERSIONS), "requested": requested}
    return error(request_id, UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def rejection(message: JsonObject, headers: Headers) -> JsonObject | None:
    """The error for a request whose envelope is missing, disagrees with its headers, or names an unknown version."""
    request_id = message["id"]
    meta = meta_of(message)
    missing = [key for key in (META_VERSION, META_CAPABILITIES) if key not in meta]
    if missing:
        return error(request_id, INVALID_PARAMS, f"params._meta lacks the required envelope key(s): {', '.join(missing)}")
    version = meta[META_VERSION]
    if _text(headers.get(VERSION_HEADER)) != version:
        return error(request_id, HEADER_MISMATCH, "mcp-protocol-version header does not match the request's envelope")
    if _text(headers.get(b"mcp-method")) != message["method"]:
        return error(request_id, HEADER_MISMATCH, "mcp-method header does not match the request's method")
    key = _NAMED_BY.get(message["method"])
    if key is not None:
        name = params_of(message).get(key)
        if name is not None and decode_value(_text(headers.get(b"mcp-name"))) != name:
            return error(request_id, HEADER_MISMATCH, f"mcp-name header does not match the request's {key!r}")
    return None if version in STATELESS_VERSIONS else unsupported(request_id, str(version))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip()


def decode_value(value: str | None) -> str | None:
    """A header value, out of the ``=?base64?...?=`` form if it is in it; None if that is damaged."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    payload = value[9:-2]
    try:
        decoded = base64.b64decode(payload, validate=True)
        return decoded.decode() if base64.b64encode(decoded).decode() == payload else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def encode_value(value: str) -> str:
    """A header value that survives HTTP: printable ASCII as it is, anything else in the base64 form."""
    plain = value.isascii() and value.isprintable() and value == value.strip() and decode_value(value) == value
    return value if plain else f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def routing_headers(message: JsonObject, version: str) -> dict[str, str]:
    """The headers that must go with a request of this era."""
    headers = {"Mcp-Protocol-Version": version, "Mcp-Method": str(message["method"])}
    key = _NAMED_BY.get(message["method"])
    name = params_of(message).get(key) if key else None
    if isinstance(name, str):
        headers["Mcp-Name"] = encode_value(name)
    return headers
