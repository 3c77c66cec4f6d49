"""Families of servers: those that have learning in common, so that one cannot test what another taught.

Two servers are of one family when they come from one vendor (the same package, npm scope or owner of the source repository),
are for the same API (the same name once words such as ``mcp`` and ``server`` are gone), or have a tool of the same name with
the same required arguments; and so is whoever is joined to them through others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from firefly_mcp.dataset.union import Union
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.schemas import required
from firefly_mcp.servers.packages import about, package_of
from firefly_mcp.types import Tool

_WORDS_OF_TRADE = frozenset("mcp server servers tool tools toolkit npm py python js node lite eval api client engine".split())
_GENERIC_OWNERS = frozenset({"", "pypa", "npm", "example", "yourusername", "username", "your-username", "user"})


class Families:
    """Which family each server is of. A family is called after the first of its servers by name."""

    def __init__(self, servers: Mapping[str, JsonObject], tools: Iterable[Tool]) -> None:
        """Find them.

        Args:
            servers: the stored specs by name.
            tools: the tools of all of them.
        """
        names = sorted(servers)
        self.why: dict[str, list[str]] = {}
        """What joins servers, and which."""
        union = Union(names)
        for reason, members in sorted(_reasons(servers, tools).items()):
            if len(members) > 1:
                union.join(sorted(members))
                self.why[reason] = sorted(members)
        self._of = {name: group[0] for group in union.groups() for name in group}

    def of(self, server: str) -> str:
        """The family of a server; a server that nobody knows is its own."""
        return self._of.get(server, server)

    def members(self) -> dict[str, list[str]]:
        """The servers of each family."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, family in self._of.items():
            found[family].append(name)
        return dict(found)


def _reasons(servers: Mapping[str, JsonObject], tools: Iterable[Tool]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, spec in servers.items():
        package = package_of(spec)
        if package is not None:
            found[f"package {package.registry}:{package.name}"].add(name)
            if package.name.startswith("@"):
                found[f"vendor {package.name.partition('/')[0][1:].lower()}"].add(name)
        owner = about(package).owner
        if owner not in _GENERIC_OWNERS:
            found[f"vendor {owner}"].add(name)
        for told in (name, package.name if package else name):
            if stem := api_of(told):
                found[f"API {stem}"].add(name)
    for tool in tools:
        if tool.server in servers:
            needed = ", ".join(sorted(required(tool.input_schema)))
            found[f"tool {tool.name}({needed})"].add(tool.server)
    return found


def api_of(name: str) -> str:
    """What a server's or package's name is about: its words but the scope and those of the trade, in order."""
    words = re.findall(r"[a-z]+|\d+", name.lower().rpartition("/")[2])
    return "-".join(word for word in words if word not in _WORDS_OF_TRADE)
