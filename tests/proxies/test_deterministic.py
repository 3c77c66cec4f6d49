"""In a deterministic sandbox a server draws the same random numbers and reads the same time, so that all it does can be seen
again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firefly_agents.sandboxes import Seeds
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies import deterministic
from firefly_proxies.connect import Connector
from firefly_proxies.messages import RequestId

DESK = Path(__file__).parent.parent / "servers" / "desk.py"
NODE = """
import { getRandomValues, randomBytes, randomInt, randomUUID } from 'node:crypto'
console.log(JSON.stringify([
  randomUUID(), crypto.randomUUID(), randomBytes(6).toString('hex'), randomInt(10, 90), Math.random(),
  [...getRandomValues(new Uint8Array(4))], [...crypto.getRandomValues(new Uint32Array(2))],
  Date.now(), new Date().toISOString(), Date(), new Date('2024-02-01').toISOString(),
  new Date() instanceof Date, new Date().constructor === Date, performance.now() > 0,
]))
"""


def spec(*, fixed: bool, name: str = "desk") -> ServerSpec:
    extra: dict[str, Any] = {"firefly": {"deterministic": True}} if fixed else {}
    return ServerSpec(name=name, command=sys.executable, args=(str(DESK),), extra=extra)


async def ignore(message: JsonObject, related: RequestId | None) -> None:
    return


async def opened(folder: Path, one: ServerSpec) -> list[dict[str, Any]]:
    """Two tickets of a server in a fresh sandbox."""
    connector = Connector(sandbox=folder, start_seconds=60, tidy=True)
    upstream = await connector.connect(one, ignore)
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    try:
        await upstream.request({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        found = []
        for number in (1, 2):
            params = {"name": "open_ticket", "arguments": {"title": f"Lamp {number}"}}
            answer = await upstream.request({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
            found.append(json.loads(answer["result"]["content"][0]["text"]))
        return found
    finally:
        await upstream.close()
        await connector.close()


async def test_a_server_makes_up_the_same_ids_and_stamps_in_every_deterministic_sandbox(tmp_path: Path) -> None:
    first, second = await opened(tmp_path, spec(fixed=True)), await opened(tmp_path, spec(fixed=True))
    assert first == second
    assert all(first[0][name] != first[1][name] for name in ("id", "code", "lot", "draw", "folder"))
    assert first[0]["opened"].endswith("T12:00:00+00:00")
    other = await opened(tmp_path, spec(fixed=True, name="another"))
    assert other[0]["id"] != first[0]["id"]


async def test_without_it_nothing_of_them_is_seen_twice(tmp_path: Path) -> None:
    first, second = await opened(tmp_path, spec(fixed=False)), await opened(tmp_path, spec(fixed=False))
    assert all(first[0][name] != second[0][name] for name in ("id", "code", "lot", "draw", "folder", "opened", "seconds"))


def test_it_is_another_beginning(tmp_path: Path) -> None:
    seeds = Seeds(tmp_path)
    assert seeds.origin_id(spec(fixed=True)) != seeds.origin_id(spec(fixed=False))


def test_what_the_configuration_sets_stays_beside_ours() -> None:
    found = deterministic.variables("desk", {"PYTHONPATH": "/own", "NODE_OPTIONS": "--no-warnings"})
    assert found["PYTHONPATH"].endswith(":/own")
    assert found["NODE_OPTIONS"].startswith("--no-warnings --require=")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_draws_the_same_and_reads_the_same_time(tmp_path: Path) -> None:
    script = tmp_path / "draw.mjs"
    script.write_text(NODE)

    def drawn(extra: dict[str, str], name: Path = script) -> Any:
        done = subprocess.run(
            ["node", str(name)], env={**os.environ, **extra}, capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(done.stdout)

    fixed = deterministic.variables("desk", {})
    first = drawn(fixed)
    assert first == drawn(fixed)
    assert first[:6] != drawn({})[:6]
    assert first[8].endswith("T12:00:00.000Z")
    assert first[10] == "2024-02-01T00:00:00.000Z"
    assert first[11:] == [True, True, True]
    runner = script.with_name("npx-cli.mjs")
    runner.write_text(NODE)
    assert drawn(fixed, runner)[0] != drawn(fixed, runner)[0]  # a package runner's own names must stay unique
