"""A recorded session replays with the server gone: the same answers, in the same state, for any number of clients."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from firefly_mcp.errors import UsageError
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

SERVERS = Path(__file__).parents[1] / "servers"


def spec(name: str) -> ServerSpec:
    return ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),))


def bare(result: Any) -> Any:
    """A result without what the proxy adds to it."""
    dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    kept = {key: value for key, value in (dumped.pop("_meta", None) or {}).items() if not key.startswith("firefly/")}
    return {**dumped, "_meta": kept} if kept else dumped


async def notes_script(client: Client) -> list[Any]:
    """Reads before and after writes, and ids that only the server knows."""
    out = [bare(await client.call_tool("list_notes", {}))]
    first = await client.call_tool("add_note", {"title": "bread", "tags": ["home"]})
    out.append(bare(first))
    out.append(bare(await client.call_tool("list_notes", {})))
    second = await client.call_tool("add_note", {"title": "rye", "tags": ["home"]})
    out.append(bare(second))
    out.append(bare(await client.call_tool("list_notes", {})))
    assert first.structured_content
    out.append(bare(await client.call_tool("delete_note", {"note_id": first.structured_content["id"]})))
    out.append(bare(await client.call_tool("get_note", {"note_id": first.structured_content["id"]})))
    out.append(bare(await client.call_tool("list_notes", {})))
    out.append(bare(await client.call_tool("list_notes", {})))
    return out


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """One recorded session of the notes server, and what it answered live."""
    path = tmp_path_factory.mktemp("recorded") / "a.db"
    [live] = anyio.run(record_notes, path)
    return path, live


@pytest.fixture
def store(recorded: tuple[Path, list[Any]], tmp_path: Path) -> Path:
    """A copy of that recording for one test."""
    return Path(shutil.copy(recorded[0], tmp_path / "a.db"))


async def record_notes(path: Path, sessions: int = 1) -> list[list[Any]]:
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {"notes": spec("notes")}, redactor=Redactor())
        live = []
        async with running_http(factory) as url:
            for _ in range(sessions):
                async with Client(url, mode="legacy") as client:
                    await client.list_tools()
                    live.append(await notes_script(client))
        return live


async def test_a_session_replays_with_the_server_gone_twice_and_eight_at_once(
    recorded: tuple[Path, list[Any]], store: Path
) -> None:
    live = recorded[1]
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url:
            replayed: list[list[Any]] = []

            async def one() -> None:
                async with Client(url, mode="legacy") as client:
                    replayed.append(await notes_script(client))

            await one()
            await one()
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(one)
        assert replayed == [live] * 10
        assert {call.match for call in queries.calls(recording) if call.match} == {MatchKind.EXACT}


async def test_a_read_after_an_unrecorded_write_misses_and_names_the_write(store: Path) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            await client.call_tool("add_note", {"title": "never recorded"})
            answer = await client.call_tool("list_notes", {})
        assert answer.is_error
        assert answer.meta
        assert answer.meta["firefly/match"] == "miss"
        assert answer.meta["firefly/cause"] == "state"
        assert "add_note" in str(answer.content)


async def test_lenient_state_answers_and_says_so(store: Path) -> None:
    with Recording(store) as recording:
        factory = ReplayFactory(recording, ReplayPolicy(lenient=True))
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.call_tool("add_note", {"title": "never recorded"})
            answer = await client.call_tool("list_notes", {})
        assert not answer.is_error
        assert answer.meta
        assert answer.meta["firefly/state"] == "other"


async def test_several_unproven_beginnings_miss_until_one_is_chosen(tmp_path: Path) -> None:
    await record_notes(tmp_path / "a.db", sessions=2)
    with Recording(tmp_path / "a.db") as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("list_notes", {})
        assert answer.is_error
        assert "--start" in str(answer.content)
        chosen = ReplayFactory(recording, ReplayPolicy(start=str(queries.sessions(recording)[0].id)))
        async with running_http(chosen) as url, Client(url, mode="legacy") as client:
            assert not (await client.call_tool("list_notes", {})).is_error


async def test_normalized_arguments_match_only_when_allowed(store: Path) -> None:
    with Recording(store) as recording:
        for match, found in ((MatchKind.NORMALIZED, "normalized"), (MatchKind.EXACT, "miss")):
            factory = ReplayFactory(recording, ReplayPolicy(match=match))
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                answer = await client.call_tool("list_notes", {"tag": None})
            assert answer.meta
            assert answer.meta["firefly/match"] == found


async def test_without_provenance_nothing_of_ours_is_in_the_answer(store: Path) -> None:
    with Recording(store) as recording:
        factory = ReplayFactory(recording, ReplayPolicy(provenance=False))
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("list_notes", {})
        assert "firefly" not in answer.model_dump_json()


async def test_arguments_that_violate_the_schema_get_a_validation_error_and_not_a_replay_message(store: Path) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("get_note", {})
        assert answer.is_error
        assert "required" in str(answer.content)
        assert "replay" not in str(answer.content)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_replay_serves_both_protocol_eras(store: Path, mode: str) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(f"{url}?session=one", mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"add_note", "list_notes"}
            answers = await notes_script(client)
        assert [answer["isError"] for answer in answers] == [False] * 6 + [True] + [False] * 2


def test_an_unknown_start_is_refused_before_anything_is_served(store: Path) -> None:
    with Recording(store) as recording, pytest.raises(UsageError, match="no such session or origin; it has: sessions 1"):
        ReplayFactory(recording, ReplayPolicy(start="nope"))
