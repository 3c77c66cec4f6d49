"""Which values of a server's configuration are secrets, and its command line and URL without them."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from firefly_mcp.credentials import credential_name
from firefly_mcp.redact import Redactor

__all__ = [
    "credential_name",
    "header_parts",
    "hides_something",
    "plain_header",
    "redacted_args",
    "redacted_url",
    "secret_args",
    "url_secrets",
]

_ORDINARY = frozenset(
    "true false yes no on off none null auto default all any enabled disabled stdio http https sse streamable-http"
    " local localhost 127.0.0.1 0.0.0.0 error errors warn warning info debug trace silent verbose quiet fatal critical"
    " production development prod staging test testing utf-8 utf8 json text plain markdown html csv xml yaml ascii unicode"
    " main master latest stable en_us.utf-8 c.utf-8 en_us en-us english readonly read-only read readwrite memory sqlite"
    " postgres mysql file".split()
)
_PLACE = re.compile(r"(?i)(?:^|_)(?:path|dir|directory|file|folder|home|root|db|database|location|cwd|workspace|cache|log)s?$")
_PATH = re.compile(r"(?:[/~.]|[A-Za-z]:[\\/])[^\n]*")
_PLAIN_HEADERS = {
    "accept", "accept-language", "accept-encoding", "accept-charset", "content-type", "user-agent", "cache-control", "origin",
    "referer", "connection", "host", "mcp-protocol-version",
}  # fmt: skip


def hides_something(name: str, value: str) -> bool:
    """Whether the value of the variable or header ``name`` is to be kept out of a recording."""
    plain = value.strip()
    if not plain:
        return False
    if credential_name(name):
        return True
    if len(plain) < 4 or plain.lower() in _ORDINARY:
        return False
    if re.fullmatch(r"[+-]?\d{1,5}(?:\.\d{1,3})?", plain):
        return False
    return not (_PLACE.search(name) and _PATH.fullmatch(plain))


def plain_header(name: str) -> bool:
    """Whether a header is one that never carries a credential."""
    return name.lower() in _PLAIN_HEADERS


def header_parts(value: str) -> list[str]:
    """A header's value, and what stands after its scheme: ``Bearer x`` gives ``x`` too, ``Basic`` its password."""
    parts = [value]
    scheme, _, rest = value.strip().partition(" ")
    if rest and scheme.isalpha():
        parts.append(rest.strip())
        if scheme.lower() == "basic":
            with suppress(ValueError):
                parts += [part for part in base64.b64decode(rest.strip(), validate=True).decode().split(":", 1)[1:] if part]
    return parts


def secret_args(args: Sequence[str]) -> list[str]:
    """Credentials on a command line: ``--token VALUE``, ``--api-key=VALUE``, ``KEY=VALUE``."""
    return [value for _, value in _flagged(args)]


def redacted_args(args: Sequence[str], marker: str) -> list[str]:
    """The command line with its credentials replaced; references such as ``${TOKEN}`` stay."""
    out = list(args)
    for position, value in _flagged(args):
        out[position] = out[position].removesuffix(value) + marker
    redacted: list[str] = Redactor().values(out)
    return redacted


def _flagged(args: Sequence[str]) -> list[tuple[int, str]]:
    found = []
    for position, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        before = args[position - 1] if position else ""
        if equals and re.fullmatch(r"-{0,2}[A-Za-z][\w.-]*", name) and credential_name(name.lstrip("-")):
            found.append((position, value))
        elif before.startswith("--") and "=" not in before and not arg.startswith("-") and credential_name(before.lstrip("-")):
            found.append((position, arg))
    return [(position, value) for position, value in found if value and "${" not in value]


def url_secrets(url: str) -> list[str]:
    """The password of a URL, and the values of its parameters that carry credentials."""
    parts = urlsplit(url)
    found = [value for key, value in parse_qsl(parts.query) if credential_name(key) or key.lower() == "key"]
    if parts.password:
        found += [parts.password, unquote(parts.password)]
    return [value for value in dict.fromkeys(found) if "${" not in value]


def redacted_url(url: str, marker: str) -> str:
    """The URL without its password and credential parameters."""
    secrets = url_secrets(url)
    if not secrets:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}:{marker}@" if parts.password else parts.netloc[: -len(host)] if host != parts.netloc else ""
    query = [(key, marker if value in secrets else value) for key, value in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(netloc=user + host, query=urlencode(query, safe="[]:${}")))
