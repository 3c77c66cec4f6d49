"""``--on-miss live``: what was never recorded is put to the real server, in the session's state, and is recorded."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind
from firefly_proxies.live import Live
from firefly_proxies.on_miss import OnMiss
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, Specs

Replayed = Callable[..., AbstractAsyncContextManager[Client]]


def server(name: str, **settings: Any) -> ServerSpec:
    return ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),), **settings)


def found(answer: Any) -> tuple[str, str | None]:
    assert answer.meta
    return answer.meta["firefly/match"], answer.meta.get("firefly/on_miss")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One session: two notes are added, and listed after each; and a sum."""
    path = tmp_path_factory.mktemp("recorded") / "a.db"
    anyio.run(_record, path)
    return path


async def _record(path: Path) -> None:
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {name: server(name) for name in ("calc", "notes")}, redactor=Redactor())
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.call_tool("calc_add", {"a": 1, "b": 2})
            for title in ("bread", "rye"):
                await client.call_tool("notes_add_note", {"title": title})
                await client.call_tool("notes_list_notes", {})


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recorded, tmp_path / "a.db"))


@pytest.fixture
def replayed(store: Path) -> Replayed:
    """Opens a client of a replay whose misses go to real servers."""

    @asynccontextmanager
    async def serve(*specs: ServerSpec, rules: ReplayRules = NO_REPLAY_RULES, live: bool = True) -> AsyncIterator[Client]:
        specs = specs or (server("calc"), server("notes"))
        with Recording(store) as recording:
            asked = Live(recording, {spec.name: spec for spec in specs}, redactor=Redactor())
            factory = ReplayFactory(recording, rules=rules, wraps=[OnMiss(asked)] if live else [])
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                yield client

    return serve


async def test_a_miss_is_asked_live_once_and_is_an_exact_hit_from_then_on(store: Path, replayed: Replayed) -> None:
    async with replayed() as client:
        first = await client.call_tool("calc_add", {"a": 3, "b": 4})
        again = await client.call_tool("calc_add", {"a": 3, "b": 4})
    async with replayed(live=False) as client:
        later = await client.call_tool("calc_add", {"a": 3, "b": 4})
    assert [found(answer) for answer in (first, again, later)] == [("live", None), ("exact", None), ("exact", None)]
    assert first.structured_content == again.structured_content == later.structured_content == {"value": 7.0, "text": "7"}
    with Recording(store) as recording:
        (session,) = [session for session in queries.sessions(recording) if session.labels.get("live")]
        assert session.kind == SessionKind.RECORD
        (call,) = queries.calls(recording, session=session.id)
        assert call.arguments == {"a": 3, "b": 4}
        logged = [call.source_call for call in queries.calls(recording, tool="add") if call.match]
        assert logged == [call.id] * 3


async def test_the_live_server_is_brought_to_where_the_session_is_before_it_is_asked(store: Path, replayed: Replayed) -> None:
    async with replayed() as client:
        await client.call_tool("notes_add_note", {"title": "bread"})
        added = await client.call_tool("notes_add_note", {"title": "spelt"})
        listed = await client.call_tool("notes_list_notes", {})
        assert [found(added), found(listed)] == [("live", None), ("live", None)]
        assert listed.structured_content
        assert [note["title"] for note in listed.structured_content["notes"]] == ["bread", "spelt"]
    async with replayed(live=False) as client:
        await client.call_tool("notes_add_note", {"title": "bread"})
        assert found(await client.call_tool("notes_list_notes", {})) == ("exact", None)
        assert found(await client.call_tool("notes_add_note", {"title": "spelt"})) == ("exact", None)
        replay = await client.call_tool("notes_list_notes", {})
    assert found(replay) == ("exact", None)
    assert replay.structured_content == listed.structured_content


async def test_each_replayed_session_has_a_live_session_of_its_own(store: Path) -> None:
    with Recording(store) as recording:
        factory = ReplayFactory(recording, wraps=[OnMiss(Live(recording, {"notes": server("notes")}, redactor=Redactor()))])
        async with running_http(factory) as url, Client(url, mode="legacy") as one, Client(url, mode="legacy") as two:
            await one.call_tool("notes_add_note", {"title": "mine"})
            listed = await two.call_tool("notes_list_notes", {"tag": "any"})
        assert listed.structured_content == {"count": 0, "notes": []}
        assert len([session for session in queries.sessions(recording) if session.labels.get("live")]) == 2


async def test_a_live_server_that_answers_earlier_calls_otherwise_is_not_asked(replayed: Replayed) -> None:
    other = server("notes", env={"NOTES_SEED": "another"})  # its ids are others than those of the recording
    async with replayed(other) as client:
        await client.call_tool("notes_add_note", {"title": "bread"})
        for _ in range(2):
            answer = await client.call_tool("notes_list_notes", {"tag": "home"})
            assert found(answer) == ("miss", "live_state")
            assert "notes/add_note" in str(answer.content)
            assert "answered otherwise" in str(answer.content)


async def test_a_call_with_side_effects_is_neither_asked_live_nor_made_again(store: Path, replayed: Replayed) -> None:
    rules = parse_replay_rules({"tools": {"notes/add_note": {"side_effects": True}}}, "replay.toml")
    async with replayed(rules=rules) as client:
        forbidden = await client.call_tool("notes_add_note", {"title": "never recorded"})
        assert found(forbidden) == ("miss", "forbidden")
        assert "by the rules" in str(forbidden.content)
    async with replayed(rules=rules) as client:
        await client.call_tool("notes_add_note", {"title": "bread"})
        answer = await client.call_tool("notes_list_notes", {"tag": "home"})
        assert found(answer) == ("miss", "live_state")
        assert "has side effects" in str(answer.content)
    with Recording(store) as recording:
        assert not [session for session in queries.sessions(recording) if session.labels.get("live") and session.calls]


async def test_a_call_that_the_live_server_refuses_is_recorded_with_its_error(store: Path, replayed: Replayed) -> None:
    async with replayed() as client:
        answer = await client.call_tool("calc_divide", {"a": 1})
        again = await client.call_tool("calc_divide", {"a": 1})
    assert answer.is_error
    assert [found(answer), found(again)] == [("live", None), ("exact", None)]
    assert answer.content == again.content


async def test_a_server_that_does_not_start_leaves_a_declared_miss(replayed: Replayed) -> None:
    async with replayed(ServerSpec(name="calc", command=sys.executable, args=("-c", "raise SystemExit(3)"))) as client:
        answer = await client.call_tool("calc_add", {"a": 3, "b": 4})
        assert found(answer) == ("miss", "live_failed")
        silent = await client.call_tool("notes_list_notes", {"tag": "x"})
        assert found(silent) == ("miss", None)


async def test_a_resource_that_was_not_read_is_read_live_in_the_session_s_state(tmp_path: Path) -> None:
    with Recording(tmp_path / "b.db", create=True) as recording:
        factory = RecordFactory(recording, {"notes": server("notes")}, redactor=Redactor())
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.list_resource_templates()
            await client.read_resource("notes://all")
            await client.call_tool("add_note", {"title": "bread", "text": "flour"})
        live = OnMiss(Live(recording, {"notes": server("notes")}, redactor=Redactor()))
        async with running_http(ReplayFactory(recording, wraps=[live])) as url, Client(url, mode="legacy") as client:
            note = await client.call_tool("add_note", {"title": "bread", "text": "flour"})
            assert note.structured_content
            read = await client.read_resource(f"notes://note/{note.structured_content['id']}")
    assert [item.text for item in read.contents] == ["flour"]  # type: ignore[union-attr]
    assert read.meta
    assert read.meta["firefly/match"] == "live"


async def test_progress_of_the_live_server_reaches_the_client(tmp_path: Path, spec: Specs) -> None:
    with Recording(tmp_path / "a.db", create=True) as recording:
        async with (
            running_http(RecordFactory(recording, {"chatty": spec("chatty")}, redactor=Redactor())) as url,
            Client(url, mode="legacy") as client,
        ):
            await client.list_tools()
            await client.call_tool("count_to", {"n": 1})
        told: list[float] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        factory = ReplayFactory(recording, wraps=[OnMiss(Live(recording, {"chatty": spec("chatty")}, redactor=Redactor()))])
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("count_to", {"n": 3}, progress_callback=progress)
        assert found(answer) == ("live", None)
        assert told == [1.0, 2.0, 3.0]


async def test_the_command_asks_the_servers_of_a_file_over_stdio(store: Path, tmp_path: Path) -> None:
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {"calc": {"command": sys.executable, "args": [str(SERVERS / "calc.py")]}}}))
    command = ["-m", "firefly_mcp", "replay", "--store", str(store), "--on-miss", "live", "--config", str(config)]
    async with Client(StdioServerParameters(command=sys.executable, args=command), mode="legacy") as client:
        answer = await client.call_tool("calc_divide", {"a": 1, "b": 4})
    assert found(answer) == ("live", None)
    assert answer.structured_content == {"value": 0.25, "text": "0.25"}


async def test_the_command_asks_the_one_server_of_a_command_line(store: Path) -> None:
    command = ["-m", "firefly_mcp", "replay", "--store", str(store), "--server", "calc", "--on-miss", "live", "--"]
    command += [sys.executable, str(SERVERS / "calc.py")]
    async with Client(StdioServerParameters(command=sys.executable, args=command), mode="legacy") as client:
        answer = await client.call_tool("divide", {"a": 1, "b": 4})
    assert found(answer) == ("live", None)
    with Recording(store) as recording:
        assert list(queries.servers(recording)) == ["calc", "notes"]
