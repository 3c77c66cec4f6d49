"""The user's rules take part in matching: in a real replay, with a real client."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from firefly_mcp.redact import Redactor
from firefly_mcp.replay.rules import NO_REPLAY_RULES, ReplayRules
from firefly_mcp.replay.rules_file import parse_replay_rules
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "a.db"
    anyio.run(_record, path)
    return path


async def _record(path: Path) -> None:
    specs = {
        name: ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),)) for name in ("calc", "notes")
    }
    with Recording(path, create=True) as recording:
        async with (
            running_http(RecordFactory(recording, specs, redactor=Redactor())) as url,
            Client(url, mode="legacy") as client,
        ):
            await client.call_tool("calc_add", {"a": 1, "b": 2})
            await client.call_tool("calc_convert", {"value": 3, "unit": "km"})
            await client.call_tool("notes_list_notes", {})
            await client.call_tool("notes_add_note", {"title": "bread"})


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recorded, tmp_path / "a.db"))


async def found(store: Path, rules: ReplayRules, *calls: tuple[str, dict[str, Any]]) -> list[str]:
    """How each of these calls of one session was answered."""
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording, rules=rules)) as url, Client(url, mode="legacy") as client:
            answers = [await client.call_tool(tool, arguments) for tool, arguments in calls]
    return [str((answer.meta or {})["firefly/match"]) for answer in answers]


def rules(tool: str, **said: Any) -> ReplayRules:
    return parse_replay_rules({"tools": {tool: said}}, "replay.toml")


async def test_an_ignored_argument_may_differ_be_absent_or_be_there_from_normalized_on(store: Path) -> None:
    calls = [("calc_add", {"a": 1, "b": 99}), ("calc_add", {"a": 1, "b": 2}), ("calc_add", {"a": 5, "b": 2})]
    assert await found(store, rules("calc/add", ignore=["/b"]), *calls) == ["normalized", "exact", "miss"]
    assert await found(store, NO_REPLAY_RULES, *calls) == ["miss", "exact", "miss"]
    assert await found(store, rules("calc/add", ignore=["/b"], highest="exact"), *calls) == ["miss", "exact", "miss"]


async def test_a_normalization_rule_can_be_switched_off(store: Path) -> None:
    call = ("calc_convert", {"value": "3", "unit": "km"})
    assert await found(store, NO_REPLAY_RULES, call) == ["normalized"]
    assert await found(store, rules("calc/convert", off=["coerce_numbers"]), call) == ["miss"]


async def test_declared_effects_decide_in_which_state_a_read_is_answered(store: Path) -> None:
    calls = [("notes_add_note", {"title": "bread"}), ("notes_list_notes", {})]
    assert await found(store, NO_REPLAY_RULES, *calls) == ["exact", "miss"]
    assert await found(store, rules("notes/add_note", affects=["!*"]), *calls) == ["exact", "exact"]
    across = rules("calc/add", affects=["notes/list_notes"])
    assert await found(store, across, ("notes_list_notes", {})) == ["miss"]
    assert await found(store, across, ("calc_add", {"a": 1, "b": 2}), ("notes_list_notes", {})) == ["exact", "exact"]


async def test_the_command_uses_the_file_beside_the_recording(store: Path) -> None:
    (store.parent / "replay.toml").write_text('[tools."calc/add"]\nignore = ["/b"]\n')
    command = ["-m", "firefly_mcp", "replay", "--store", str(store)]
    async with Client(StdioServerParameters(command=sys.executable, args=command), mode="legacy") as client:
        answer = await client.call_tool("calc_add", {"a": 1, "b": 99})
    assert (answer.meta or {})["firefly/match"] == "normalized"
