"""Which published package a server is, by its command line, and what its registry said of it.

``packages.json`` holds, for the packages of the bundled servers and of the open pool, what PyPI and npm tell: the licence, the
owner of the source repository and the home page. ``docs/collect_packages.py`` writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from firefly_mcp.jsonio import JsonObject, loads

_FILE = Path(__file__).with_name("packages.json")
_WITH_VALUE = frozenset({"--python", "--with", "-p", "--package", "--index", "--index-url", "--with-requirements"})
_PYPI = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:[=@]=?(.+))?$")


class Package(NamedTuple):
    """A package of a registry: ``pypi`` or ``npm``, its name, and the version that was asked for (empty: any)."""

    registry: str
    name: str
    version: str


@dataclass(frozen=True)
class About:
    """What a registry says of a package. Unknown is the empty string."""

    licence: str = ""
    owner: str = ""
    """Who owns the source repository."""
    home: str = ""


def package_of(spec: JsonObject) -> Package | None:
    """The package that a server's command line names; None where it names none that a registry has."""
    command = str(spec.get("command") or "").rpartition("/")[2]
    args = [str(arg) for arg in spec.get("args") or []]
    if command in ("npx", "bunx"):
        return _npm(next((arg for arg in args if not arg.startswith("-")), ""))
    if command in ("uvx", "pipx"):
        return _pypi(_asked(args[1:] if command == "pipx" else args))
    return None


def about(package: Package | None) -> About:
    """What is known of a package, whatever its version."""
    if package is None:
        return About()
    known = _known().get(f"{package.registry}:{package.name.lower()}", {})
    return About(*(str(known.get(key) or "") for key in ("licence", "owner", "home")))


def _asked(args: list[str]) -> str:
    """What ``uvx`` installs: the value of ``--from``, else the first word that is no option and no option's value."""
    if "--from" in args[:-1]:
        return args[args.index("--from") + 1]
    waiting = iter(args)
    for arg in waiting:
        if arg in _WITH_VALUE:
            next(waiting, None)
        elif not arg.startswith("-"):
            return arg
    return ""


def _pypi(asked: str) -> Package | None:
    found = _PYPI.match(asked)
    return Package("pypi", found[1].lower().replace("_", "-"), found[2] or "") if found else None


def _npm(asked: str) -> Package | None:
    name, _, version = asked[1:].partition("@") if asked.startswith("@") else asked.partition("@")
    return Package("npm", ("@" if asked.startswith("@") else "") + name, version) if name else None


@cache
def _known() -> dict[str, JsonObject]:
    return dict(loads(_FILE.read_bytes())) if _FILE.exists() else {}
