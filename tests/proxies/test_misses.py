"""What replay could not answer: told with what was nearest, and handed to the sampler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_mcp.cli import main
from firefly_mcp.graph.store import load_coverage
from firefly_mcp.replay.missed import missed
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import Proxy, Specs


async def record(proxy: Proxy, spec: Specs, *amounts: int) -> None:
    async with proxy(spec("calc")) as url, Client(url, mode="legacy") as client:
        await client.list_tools()
        for amount in amounts:
            await client.call_tool("add", {"a": amount, "b": 2})
            await client.call_tool("convert", {"value": amount, "unit": "km"})


async def replay(recording: Recording, *calls: tuple[str, dict[str, Any]]) -> None:
    async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
        for tool, arguments in calls:
            await client.call_tool(tool, arguments)


def misses(recording: Recording, capfd: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["misses", "--store", str(recording.path), "--json", *options]) == 0
    return json.loads(capfd.readouterr().out)


async def test_a_miss_names_the_arguments_in_which_the_nearest_calls_differ(
    recording: Recording, proxy: Proxy, spec: Specs, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec, 1, 5)
    asked = ("add", {"a": 5, "b": 3})
    await replay(recording, asked, asked, ("add", {"a": "five", "b": 3}), ("add", {"a": 1, "b": 2}), ("nothing", {}))
    found = misses(recording, capfd)
    assert found["by_cause"] == {"never_recorded": 2, "unknown_tool": 1, "invalid_arguments": 1}
    assert found["by_tool"][0] == {
        "server": "calc",
        "tool": "add",
        "misses": 3,
        "distinct": 2,
        "causes": {"never_recorded": 2, "invalid_arguments": 1},
    }
    most = found["misses"][0]
    assert (most["count"], most["arguments"], most["cause"]) == (2, {"a": 5, "b": 3}, "never_recorded")
    assert most["nearest"][0]["arguments"] == {"a": 5, "b": 2}
    assert most["nearest"][0]["differs"] == {"b": {"recorded": 2, "asked": 3}}
    assert [one["cause"] for one in misses(recording, capfd, "--cause", "unknown_tool")["misses"]] == ["unknown_tool"]
    assert main(["misses", "--store", str(recording.path)]) == 0
    assert '2x calc/add {"a":5,"b":3}: never_recorded\n    call 3; b: recorded 2, asked 3' in capfd.readouterr().out


async def test_a_miss_of_state_names_the_writes_that_stand_in_the_way(
    recording: Recording, proxy: Proxy, spec: Specs, capfd: pytest.CaptureFixture[str]
) -> None:
    async with proxy(spec("notes")) as url, Client(url, mode="legacy") as client:
        await client.list_tools()
        for title in ("bread", "rye"):
            await client.call_tool("add_note", {"title": title})
        await client.call_tool("list_notes", {})
    await replay(recording, ("add_note", {"title": "bread"}), ("list_notes", {}))
    (only,) = misses(recording, capfd)["misses"]
    assert (only["cause"], only["tool"]) == ("state", "list_notes")
    (near,) = only["nearest"]
    assert near["here_only"] == []
    assert [one["arguments"] for one in near["there_only"]] == [{"title": "rye"}]
    assert main(["misses", "--store", str(recording.path)]) == 0
    assert 'made only there: add_note {"title":"rye"} (call 2)' in capfd.readouterr().out


async def test_a_missed_tool_is_sampled_first_until_the_call_is_recorded(
    recording: Recording, proxy: Proxy, spec: Specs, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec, 1, 2, 3)

    def first() -> list[str]:
        options = ("--count", "1", "--shapes", "single", "--cross-server", "0", "--json")
        assert main(["sample", "--store", str(recording.path), *options]) == 0
        return [node["tool"] for node in json.loads(capfd.readouterr().out)[0]["nodes"]]

    never = first()
    assert never[0] in ("divide", "slow_add")  # nobody has called them
    await replay(recording, *(("convert", {"value": 100 + n, "unit": "km"}) for n in range(9)))
    assert first() == ["convert"]
    coverage = load_coverage(recording)
    assert coverage.misses == {ToolKey("calc", "convert"): 9}
    assert coverage.missed_arguments == {(ToolKey("calc", "convert"), "value"): 9}
    await record(proxy, spec, *(100 + n for n in range(9)))
    assert first() == never
    assert all(one.recorded_since and not one.asks_for_more for one in missed(recording))


async def test_calls_that_break_the_schema_ask_for_no_recording(recording: Recording, proxy: Proxy, spec: Specs) -> None:
    await record(proxy, spec, 1)
    await replay(recording, ("add", {"a": "one"}), ("nothing", {}))
    assert not load_coverage(recording).misses


def test_a_recording_that_was_never_replayed_has_no_misses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Recording(tmp_path / "a.db", create=True) as recording:
        assert misses(recording, capfd) == {"misses": [], "by_tool": [], "by_cause": {}}
