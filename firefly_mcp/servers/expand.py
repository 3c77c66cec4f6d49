"""References to variables in a servers file: ``${VAR}``, ``${VAR:-default}`` and VS Code's ``${env:VAR}``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from firefly_mcp.errors import ConfigError

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def expand(text: str, variables: Mapping[str, str], *, server: str) -> str:
    """Fill in every reference of ``text``.

    Raises:
        ConfigError: a variable is not set and has no default, or the reference is of a kind that only an editor can ask for.
    """

    def fill(found: re.Match[str]) -> str:
        name, default = _parse(found[1], server)
        value = variables.get(name)
        if value or (value is not None and default is None):
            return value
        if default is not None:
            return default
        raise ConfigError(f"server {server!r}: ${{{found[1]}}} is used, but the variable {name} is not set")

    return _REFERENCE.sub(fill, text)


def names(text: str) -> Iterator[str]:
    """The variables that ``text`` refers to; references of other kinds are passed over."""
    for found in _REFERENCE.finditer(text):
        parsed = _NAME.fullmatch(found[1])
        if parsed:
            yield parsed[1]


def without_values(text: str, marker: str) -> str:
    """``text`` with its references kept as they are, and everything that is a value itself replaced by ``marker``.

    The word before a credential in a header (``Bearer``, ``Basic``, ``Token``) is kept; a default inside a reference is not.
    """
    out, at = [], 0
    for found in _REFERENCE.finditer(text):
        out.append(_literal(text[at : found.start()], marker))
        parsed = _NAME.fullmatch(found[1])
        if parsed is None:
            out.append(found[0] if found[1].startswith("input:") else marker)
        else:
            out.append(found[0] if parsed[2] is None else f"${{{parsed[1]}:-{_literal(parsed[2], marker)}}}")
        at = found.end()
    out.append(_literal(text[at:], marker))
    return "".join(out)


def _literal(text: str, marker: str) -> str:
    return text if not text.strip() or text.strip().lower() in {"bearer", "basic", "token"} else marker


def _parse(inside: str, server: str) -> tuple[str, str | None]:
    parsed = _NAME.fullmatch(inside)
    if parsed:
        return parsed[1], parsed[2]
    if inside.startswith("input:"):
        raise ConfigError(
            f"server {server!r}: ${{{inside}}} asks an editor for a value; use ${{VARIABLE}}, set in the environment"
        )
    raise ConfigError(f"server {server!r}: ${{{inside}}} is not a reference that can be filled in; use ${{VARIABLE}}")
