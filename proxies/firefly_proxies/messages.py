"""JSON-RPC 2.0 messages as plain JSON: builders, predicates, and the codes and keys of MCP that the proxies use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject

RequestId = int | str
"""The id of a JSON-RPC request."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CONNECTION_CLOSED = -32000
SERVER_ERROR = -32000
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
REQUEST_CANCELLED = -32800

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Protocol versions that begin with ``initialize``, oldest first."""
STATELESS_VERSIONS = ("2026-07-28",)
"""Protocol versions whose every request carries its own envelope, oldest first."""
LATEST_HANDSHAKE = HANDSHAKE_VERSIONS[-1]
LATEST_STATELESS = STATELESS_VERSIONS[-1]

META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CLIENT = "io.modelcontextprotocol/clientInfo"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_LOG_LEVEL = "io.modelcontextprotocol/logLevel"
META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
META_SERVER = "io.modelcontextprotocol/serverInfo"
META_SESSION = "firefly/session"
"""The ``_meta`` key by which a client names its session."""
ENVELOPE = (META_VERSION, META_CLIENT, META_CAPABILITIES)
"""The ``_meta`` keys by which a request of the stateless era says who asks."""
REMOVED = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Methods that the stateless era has no more."""

_OWN = "firefly-own-"
LIST_KEYS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
"""Paginated list methods, and the key of the items in their results."""
LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Levels of log messages, the least severe first."""


def loud_enough(message: JsonObject, level: str | None) -> bool:
    """Whether a log message is at least as severe as a level; so are all if the level is None or unknown, as is the unknown."""
    said = params_of(message).get("level")
    return level not in LOG_LEVELS or said not in LOG_LEVELS or LOG_LEVELS.index(said) >= LOG_LEVELS.index(level)


def request(request_id: RequestId, method: str, params: JsonObject | None = None) -> JsonObject:
    """A request."""
    message: JsonObject = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params is not None:
        message["params"] = params
    return message


def notification(method: str, params: JsonObject | None = None) -> JsonObject:
    """A notification."""
    message: JsonObject = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = params
    return message


def response(request_id: RequestId | None, result: JsonObject) -> JsonObject:
    """A successful response."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error(request_id: RequestId | None, code: int, message: str, data: JSON = None) -> JsonObject:
    """An error response; ``data`` is left out when None."""
    body: JsonObject = {"code": code, "message": message}
    if data is not None:
        body["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}


def tool_error(request_id: RequestId | None, text: str) -> JsonObject:
    """A response to ``tools/call`` that a model can read: a result whose ``isError`` is true."""
    return response(request_id, {"content": [{"type": "text", "text": text}], "isError": True})


class HttpError(dict[str, Any]):
    """An error response that an HTTP front sends with a status and headers of its own; to other fronts it is any error.

    A class and not a key in the message: no server can say such a thing by what it answers.
    """

    def __init__(self, request_id: RequestId | None, status: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(error(request_id, SERVER_ERROR, message))
        self.status = status
        self.headers = dict(headers)


def is_request(message: Any) -> bool:
    """Whether the message asks for an answer."""
    return isinstance(message, dict) and isinstance(message.get("method"), str) and is_request_id(message.get("id"))


def own_id(what: object) -> str:
    """An id for a request that a proxy makes on its own account."""
    return f"{_OWN}{what}"


def is_own_id(request_id: RequestId) -> bool:
    """Whether an id was made by :func:`own_id`."""
    return isinstance(request_id, str) and request_id.startswith(_OWN)


def is_request_id(value: Any) -> bool:
    """Whether a value may be a request's id: a string or an integer, and not a boolean."""
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def is_notification(message: Any) -> bool:
    """Whether the message tells something and asks for no answer."""
    return isinstance(message, dict) and isinstance(message.get("method"), str) and "id" not in message


def is_response(message: Any) -> bool:
    """Whether the message answers a request."""
    return (
        isinstance(message, dict)
        and "method" not in message
        and "id" in message
        and ("result" in message or "error" in message)
    )


def params_of(message: JsonObject) -> JsonObject:
    """The params of a request or notification, never None."""
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def meta_of(message: JsonObject) -> JsonObject:
    """The ``_meta`` of a request's or notification's params, never None."""
    meta = params_of(message).get("_meta")
    return meta if isinstance(meta, dict) else {}


def session_named_in(message: JsonObject) -> str | None:
    """The session that a request names in its ``_meta``, or None."""
    name = meta_of(message).get(META_SESSION)
    return name if isinstance(name, str) and name else None


def with_subscription(message: JsonObject, request_id: RequestId) -> JsonObject:
    """A message or response of a subscription, with another id for the request that asked for it; others as they are."""
    for part in ("params", "result"):
        inside = message.get(part)
        if not isinstance(inside, dict):
            continue
        meta = inside.get("_meta")
        if isinstance(meta, dict) and META_SUBSCRIPTION in meta:
            return {**message, part: {**inside, "_meta": {**meta, META_SUBSCRIPTION: request_id}}}
    return message


def version_of(message: JsonObject) -> str | None:
    """The protocol version in the envelope of a stateless request, or None for a handshake-era message."""
    version = meta_of(message).get(META_VERSION)
    return version if isinstance(version, str) else None
