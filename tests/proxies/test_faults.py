"""Faults are laid over replayed answers by rule and seed, and the log tells them from misses; pace holds answers back."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import Answer, ReplayPolicy
from firefly_mcp.replay.rules_file import parse_replay_rules
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind
from firefly_proxies.conversation import Opening
from firefly_proxies.faults import Faults
from firefly_proxies.messages import RequestId, request
from firefly_proxies.pace import Pace
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, Specs

Replayed = Callable[..., AbstractAsyncContextManager[str]]
SUMS = [{"a": 1, "b": number} for number in (3, 0, 7, 1, 6, 2, 5, 4)]


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
            for sum_ in SUMS:
                await client.call_tool("calc_add", sum_)
            await client.call_tool("calc_slow_add", {"a": 1, "b": 2, "seconds": 0.4})
            await client.call_tool("notes_list_notes", {})
            await client.call_tool("notes_add_note", {"title": "bread"})
            await client.call_tool("notes_list_notes", {})


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recorded, tmp_path / "a.db"))


@pytest.fixture
def replayed(store: Path) -> Replayed:
    """Serves a replay with faults; yields its URL."""

    @asynccontextmanager
    async def serve(*faults: dict[str, Any], seed: int = 0, policy: ReplayPolicy | None = None) -> AsyncIterator[str]:
        rules = parse_replay_rules({"faults": list(faults)}, "replay.toml")
        with Recording(store) as recording:
            factory = ReplayFactory(recording, policy, rules=rules, wraps=[Faults(rules.faults, seed)])
            async with running_http(factory) as url:
                yield url

    return serve


async def sums(url: str) -> list[tuple[bool, Any]]:
    """Asks for every sum; whether it failed, and what it was."""
    async with Client(url, mode="legacy") as client:
        answers = [await client.call_tool("calc_add", sum_) for sum_ in SUMS]
    return [(bool(answer.is_error), answer.structured_content) for answer in answers]


async def test_the_same_seed_gives_every_session_the_same_faults_alone_or_beside_others(replayed: Replayed) -> None:
    fault = {"fault": "tool_error", "tool": "calc/*", "probability": 0.5, "message": "try again"}
    async with replayed(fault, seed=3) as url:
        alone = await sums(url)
        together: list[list[tuple[bool, Any]]] = []

        async def one() -> None:
            together.append(await sums(url))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(one)
    assert together == [alone] * 4
    assert 0 < sum(failed for failed, _ in alone) < len(SUMS)
    async with replayed(fault, seed=4) as url:
        assert await sums(url) != alone


async def test_a_tool_error_says_that_it_is_a_fault_and_the_log_tells_it_from_a_miss(store: Path, replayed: Replayed) -> None:
    async with (
        replayed({"fault": "tool_error", "tool": "calc/*", "every": 2, "message": "try again"}) as url,
        Client(url, mode="legacy") as client,
    ):
        await client.call_tool("calc_add", SUMS[0])
        answer = await client.call_tool("calc_add", SUMS[1])
        await client.call_tool("calc_add", {"a": 1, "b": 99})
    assert answer.is_error
    assert [item.text for item in answer.content if item.type == "text"] == ["try again"]
    assert answer.meta == {"firefly/fault": "tool_error"}
    with Recording(store) as recording:
        logged = [(call.match, call.detail.get("fault")) for call in queries.calls(recording) if call.detail]
    assert logged == [("exact", None), (None, "tool_error"), ("miss", None)]


async def test_a_call_that_an_error_stands_in_place_of_was_not_made(replayed: Replayed) -> None:
    async with (
        replayed({"fault": "error", "tool": "notes/add_note", "every": 1, "code": -32050, "message": "gone"}) as url,
        Client(url, mode="legacy") as client,
    ):
        with pytest.raises(MCPError) as trouble:
            await client.call_tool("notes_add_note", {"title": "bread"})
        listed = await client.call_tool("notes_list_notes", {})
    assert (trouble.value.error.code, trouble.value.error.message) == (-32050, "gone")
    assert trouble.value.error.data == {"firefly/fault": "error"}
    assert listed.structured_content == {"count": 0, "notes": []}


async def test_a_dropped_answer_never_comes_but_the_call_was_made(replayed: Replayed) -> None:
    async with (
        replayed({"fault": "drop", "tool": "notes/add_note", "every": 1}) as url,
        Client(url, mode="legacy") as client,
    ):
        with anyio.move_on_after(0.3) as waited:
            await client.call_tool("notes_add_note", {"title": "bread"})
        listed = await client.call_tool("notes_list_notes", {})
    assert waited.cancelled_caught
    assert listed.structured_content
    assert listed.structured_content["count"] == 1


async def test_a_dropped_answer_over_stdio_does_not_keep_the_server_from_ending(store: Path) -> None:
    (store.parent / "replay.toml").write_text('[[faults]]\nfault = "drop"\ntool = "calc/add"\nevery = 2\n')
    command = ["-m", "firefly_mcp", "replay", "--store", str(store), "--faults-seed", "5"]
    async with Client(StdioServerParameters(command=sys.executable, args=command), mode="legacy") as client:
        assert not (await client.call_tool("calc_add", SUMS[0])).is_error
        with anyio.move_on_after(0.3) as waited:
            await client.call_tool("calc_add", SUMS[1])
        assert not (await client.call_tool("calc_add", SUMS[2])).is_error
    assert waited.cancelled_caught
    with Recording(store) as recording:
        assert [call.detail.get("fault") for call in queries.calls(recording, tool="add") if call.match] == [None, "drop", None]


async def test_a_truncated_and_a_garbled_answer_are_the_recorded_one_spoiled_the_same_way_each_time(store: Path) -> None:
    async def listed(*faults: dict[str, Any]) -> Any:
        """The result as it is on the wire: a client of the SDK refuses it, as it should."""
        rules = parse_replay_rules({"faults": list(faults)}, "replay.toml")
        with Recording(store) as recording:
            factory = ReplayFactory(recording, rules=rules, wraps=[Faults(rules.faults)])
            conversation = await factory.open(Opening("stdio"), emit)
            answer = await conversation.request(request(1, "tools/call", {"name": "notes_list_notes", "arguments": {}}))
            await conversation.close()
            await factory.close()
        return answer["result"]

    async def emit(message: JsonObject, related: RequestId | None) -> None:
        raise AssertionError(message)

    whole = (await listed())["content"][0]["text"]
    texts: dict[str, list[str]] = {"truncate": [], "garbage": []}
    for kind, found in texts.items():
        for _ in range(2):
            result = await listed({"fault": kind, "tool": "notes/*", "every": 1})
            assert "structuredContent" not in result
            assert (result["_meta"]["firefly/match"], result["_meta"]["firefly/fault"]) == ("exact", kind)
            found.append(result["content"][0]["text"])
    assert texts["truncate"] == [whole[: len(whole) // 2]] * 2
    assert texts["garbage"][0] == texts["garbage"][1] != whole


async def test_without_provenance_a_fault_does_not_give_itself_away(replayed: Replayed) -> None:
    async with (
        replayed({"fault": "tool_error", "every": 1}, policy=ReplayPolicy(provenance=False)) as url,
        Client(url, mode="legacy") as client,
    ):
        answer = await client.call_tool("calc_add", SUMS[0])
    assert answer.is_error
    assert "firefly" not in answer.model_dump_json()


async def test_a_delay_and_the_recorded_pace_hold_an_answer_back_and_nothing_else_does(store: Path) -> None:
    asked = {"a": 1, "b": 2, "seconds": 0.4}
    rules = parse_replay_rules({"faults": [{"fault": "delay", "tool": "calc/add", "every": 1, "delay_ms": 400}]}, "replay.toml")
    with Recording(store) as recording:
        factory = ReplayFactory(recording, rules=rules, wraps=[Pace(), Faults(rules.faults)])
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            for tool, arguments in (("calc_slow_add", asked), ("calc_add", SUMS[0])):
                began = time.monotonic()
                assert not (await client.call_tool(tool, arguments)).is_error
                assert time.monotonic() - began >= 0.4  # a lower bound holds on any machine


async def test_what_was_said_during_a_call_is_said_at_its_time(tmp_path: Path, spec: Specs) -> None:
    told: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(time.monotonic())

    with Recording(tmp_path / "b.db", create=True) as recording:
        async with (
            running_http(RecordFactory(recording, {"chatty": spec("chatty")}, redactor=Redactor())) as url,
            Client(url, mode="legacy") as client,
        ):
            await client.call_tool("count_to", {"n": 2}, progress_callback=progress)
        # The server itself counts in no time.
        recording.db.execute("UPDATE call_event SET offset_ms = 50 * id; UPDATE call SET duration_ms = 1000")
        first, second = (
            float(str(row[0]))
            for row in recording.db.execute(
                "SELECT offset_ms FROM call_event WHERE message LIKE '%notifications/progress%' ORDER BY id"
            )
        )
        told.clear()
        factory = ReplayFactory(recording, wraps=[Pace()])
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            began = time.monotonic()
            await client.call_tool("count_to", {"n": 2}, progress_callback=progress)
    assert [moment - began >= offset / 1000 for moment, offset in zip(told, (first, second), strict=True)] == [True, True]


def test_an_answer_takes_its_recorded_time_times_the_factor_up_to_the_limit(store: Path) -> None:
    with Recording(store) as recording:
        call = next(queries.calls(recording, tool="slow_add"))
    assert call.duration_ms
    answer = Answer(MatchKind.EXACT, call)
    assert Pace(0.5).seconds(answer) == pytest.approx(call.duration_ms / 2000)
    assert Pace(1000, limit_seconds=2).seconds(answer) == 2
    assert Pace().seconds(Answer(MatchKind.LIVE, call)) == 0
    assert Pace().seconds(Answer(MatchKind.MISS)) == 0
