"""The servers behind a data set: their packages, versions and licences, and how many tools and tasks they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from firefly_mcp.servers.packages import about, package_of
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task


@dataclass(frozen=True, slots=True)
class ServerSource:
    """One server: what it is published as, and what the data set has of it. What is unknown is empty."""

    name: str
    package: str
    version: str
    licence: str
    home: str
    tools: int
    tasks: int


def sources_of(tasks: Sequence[Task], recording: Recording) -> list[ServerSource]:
    """The servers that tasks use, the most used first."""
    tools = Counter(tool.server for tool in queries.tools(recording))
    used = Counter(server for task in tasks for server in set(task.servers))
    specs = queries.servers(recording)
    found = []
    for name, count in sorted(used.items(), key=lambda item: (-item[1], item[0])):
        package = package_of(specs.get(name) or {})
        said = about(package)
        where = "" if package is None else f"{package.registry}:{package.name}"
        version = "" if package is None else package.version
        found.append(ServerSource(name, where, version, said.licence, said.home, tools[name], count))
    return found
