from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.dataset.families import Families, api_of
from firefly_mcp.servers.packages import Package, about, package_of
from firefly_mcp.types import Tool


def npx(package: str) -> dict[str, Any]:
    return {"command": "npx", "args": ["-y", package]}


def tool(server: str, name: str, *required: str) -> Tool:
    return Tool(server, {"name": name, "inputSchema": {"type": "object", "required": list(required)}})


@pytest.mark.parametrize(
    ("command", "args", "package"),
    [
        ("uvx", ["--python", "3.11", "--with", "mcp<2", "gnomon-mcp==0.1.2"], ("pypi", "gnomon-mcp", "0.1.2")),
        ("uvx", ["--from", "packer3d[mcp]==0.5.1", "packer-mcp"], ("pypi", "packer3d", "0.5.1")),
        ("/opt/bin/uvx", ["Some_Server@1.0"], ("pypi", "some-server", "1.0")),
        ("npx", ["-y", "@zeeg/dex@0.16.0", "mcp"], ("npm", "@zeeg/dex", "0.16.0")),
        ("npx", ["drawio-mcp"], ("npm", "drawio-mcp", "")),
        ("python", ["server.py"], None),
    ],
)
def test_a_command_line_tells_the_package(command: str, args: list[str], package: tuple[str, str, str] | None) -> None:
    assert package_of({"command": command, "args": args}) == (None if package is None else Package(*package))


def test_licences_of_the_bundled_packages_are_known() -> None:
    assert about(Package("pypi", "flight-planner-mcp", "")).licence == "MIT"
    assert about(Package("pypi", "nobody-knows-this", "")).licence == ""


def test_servers_of_one_scope_one_api_or_one_tool_are_a_family_and_through_others_too() -> None:
    servers = {
        "a": npx("@acme/files"),
        "b": npx("@acme/post"),
        "c": npx("mail-mcp-server"),
        "mcp-mail": npx("other"),
        "d": npx("d"),
        "e": npx("e"),
        "alone": npx("alone"),
    }
    tools = [
        tool("mcp-mail", "send", "to"),
        tool("d", "send", "to"),
        tool("e", "send", "to", "subject"),
        tool("alone", "send"),
    ]
    families = Families(servers, tools)
    kin = sorted(sorted(members) for members in families.members().values())
    assert kin == [["a", "b"], ["alone"], ["c", "d", "mcp-mail"], ["e"]]
    assert families.why["vendor acme"] == ["a", "b"]
    assert families.why["API mail"] == ["c", "mcp-mail"]
    assert families.why["tool send(to)"] == ["d", "mcp-mail"]


@pytest.mark.parametrize("name", ["mcp-server-git", "@cyanheads/git-mcp-server", "git"])
def test_a_servers_name_tells_its_api(name: str) -> None:
    assert api_of(name) == "git"
