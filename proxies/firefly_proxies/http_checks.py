"""Who may talk to the HTTP front, and in which media types: Host, Origin, bearer token, Content-Type, Accept."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from firefly_proxies.messages import INVALID_REQUEST

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Headers = Mapping[bytes, bytes]
_USUAL_ACCEPT = b"application/json, text/event-stream"
_CACHE_LIMIT = 256


class Refusal(NamedTuple):
    """An answer of the HTTP layer: status, JSON-RPC code and message, and headers to send with it."""

    status: int
    message: str
    code: int = INVALID_REQUEST
    headers: tuple[tuple[bytes, bytes], ...] = ()


def host_of(authority: str) -> str:
    """The host in ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``, in lower case."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    host, _, port = authority.rpartition(":")
    return host if host and port.isdigit() else authority


class Access:
    """Decides which requests come from whom they claim to.

    A browser can be led by a hostile page to a loopback port under a name that the page controls (DNS rebinding); such
    requests carry that name in ``Host`` or ``Origin`` and are refused, 421 and 403.
    """

    def __init__(self, *, bound_to: str = "127.0.0.1", allowed_hosts: Collection[str] = (), token: str | None = None) -> None:
        """Set the rules.

        Args:
            bound_to: the address that the server listens on; it is an allowed name unless it means "all addresses".
            allowed_hosts: more host names, with or without a port; ``*`` allows any.
            token: the bearer token that every request must carry, or None.
        """
        names = {host_of(name) for name in allowed_hosts}
        self._any = "*" in names
        self._names = LOOPBACK | names | ({bound_to.lower()} - {"0.0.0.0", "::", ""})
        self._bearer = None if token is None else f"Bearer {token}".encode()
        self._good_hosts: set[bytes] = set()

    @property
    def takes_authorization(self) -> bool:
        """Whether the ``Authorization`` header is for this endpoint, and must go no further."""
        return self._bearer is not None

    def refusal(self, headers: Headers) -> Refusal | None:
        """Why the request is refused, or None."""
        host = headers.get(b"host", b"")
        if host not in self._good_hosts and not self._admit_host(host):
            return Refusal(421, "Invalid Host header; allow the name with --allow-host")
        origin = headers.get(b"origin")
        if origin is not None and not self._origin_allowed(origin):
            return Refusal(403, "Invalid Origin header; allow the name with --allow-host")
        if self._bearer is not None and not hmac.compare_digest(headers.get(b"authorization", b""), self._bearer):
            return Refusal(401, "Missing or wrong bearer token", headers=((b"www-authenticate", b"Bearer"),))
        return None

    def _admit_host(self, raw: bytes) -> bool:
        if not raw or not (self._any or host_of(raw.decode("latin-1")) in self._names):
            return False
        if len(self._good_hosts) < _CACHE_LIMIT:
            self._good_hosts.add(raw)
        return True

    def _origin_allowed(self, raw: bytes) -> bool:
        if self._any:
            return True
        try:
            return (urlsplit(raw.decode("latin-1")).hostname or "") in self._names
        except ValueError:
            return False


def accepts(headers: Headers) -> tuple[bool, bool]:
    """Whether JSON, and whether an event stream, is acceptable to the client (RFC 9110, 12.5.1, without weights)."""
    raw = headers.get(b"accept", b"")
    if raw == _USUAL_ACCEPT:
        return True, True
    types = {part.partition(";")[0].strip().lower() for part in raw.decode("latin-1").split(",")}
    anything = "*/*" in types
    return (
        anything or not types.isdisjoint({"application/json", "application/*"}),
        anything or not types.isdisjoint({"text/event-stream", "text/*"}),
    )


def is_json(headers: Headers) -> bool:
    """Whether the body is declared to be JSON."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"application/json"
