"""The relay is transparent, and honest about servers that are not: raw messages in, raw messages out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import ServerError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.conversation import Conversation, Opening
from firefly_proxies.messages import RequestId, notification, request
from firefly_proxies.record import RecordFactory
from firefly_proxies.sandbox import common_place
from tests.proxies.harness import Specs, alive, children_of, gone

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


class Talk:
    """One conversation, spoken to message by message."""

    def __init__(self) -> None:
        self.conversation: Conversation
        self.heard: list[tuple[JsonObject, RequestId | None]] = []
        self.hearing = asyncio.Event()
        self._next = 100

    async def hear(self, message: JsonObject, related: RequestId | None) -> None:
        self.heard.append((message, related))
        self.hearing.set()

    async def ask(self, method: str, params: JsonObject | None = None) -> JsonObject:
        self._next += 1
        message = request(self._next, method, params)
        answer = await self.conversation.request(message)
        assert answer["id"] == message["id"]
        return answer

    async def call(self, tool: str, **arguments: Any) -> JsonObject:
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})


@asynccontextmanager
async def talking(recording: Recording, *specs: ServerSpec, begin: bool = True, **settings: Any) -> AsyncIterator[Talk]:
    settings.setdefault("redactor", Redactor())
    factory = RecordFactory(recording, {spec.name: spec for spec in specs}, **settings)
    talk = Talk()
    talk.conversation = await factory.open(Opening("stdio"), talk.hear)
    try:
        if begin:
            assert "result" in await talk.ask("initialize", HELLO)
            await talk.conversation.notify(notification("notifications/initialized"))
        yield talk
    finally:
        await talk.conversation.close()
        await factory.close()


async def test_unknown_fields_methods_and_numbers_pass_unchanged(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "fine"), begin=False) as talk:
        hello = await talk.ask("initialize", HELLO)
        assert hello["result"]["serverInfo"]["odd"] == {"kept": True}
        assert (await talk.ask("tools/list"))["result"]["tools"][0]["oddField"] == [1, None]
        answer = await talk.call("go", big=2**70, deep={"x": [None, 1.0]}, text="ü\u2028")
        assert answer["result"]["extraField"] == {"a": [1.5, None, 2**70]}
        seen = json.loads(answer["result"]["content"][0]["text"])["seen"]
        assert seen["arguments"] == {"big": 2**70, "deep": {"x": [None, 1.0]}, "text": "ü\u2028"}
        odd = await talk.ask("vendor/odd", {"p": 1})
        assert odd["error"] == {"code": -32601, "message": "no vendor/odd", "data": {"seen": {"p": 1}}}
    (call, odd_call) = queries.calls(recording)
    assert call.result == answer["result"]
    assert call.params == {"name": "go", "arguments": {"big": 2**70, "deep": {"x": [None, 1.0]}, "text": "ü\u2028"}}
    assert (odd_call.method, odd_call.error, odd_call.is_error) == ("vendor/odd", odd["error"], True)


async def test_a_call_is_committed_before_it_is_made_and_its_answer_before_it_is_passed_on(
    recording: Recording, spec: Specs
) -> None:
    with contextlib.closing(Recording(recording.path).db) as other_process:
        states = "SELECT status FROM call ORDER BY id"
        async with talking(recording, spec("bad", "silent")) as talk:
            await talk.call("go")
            waiting = asyncio.create_task(talk.call("go", wait=True))
            await talk.hearing.wait()
            assert other_process.execute(states).fetchall() == [("done",), ("interrupted",)]
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert other_process.execute(states).fetchall() == [("done",), ("cancelled",)]


async def test_concurrent_calls_with_equal_ids_from_the_relay_itself_do_not_mix(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "fine")) as talk:
        answers = await asyncio.gather(*(talk.call("go", n=number) for number in range(50)))
        seen = [json.loads(answer["result"]["content"][0]["text"])["seen"]["arguments"]["n"] for answer in answers]
        assert seen == list(range(50))
    assert len(list(queries.calls(recording))) == 50


async def test_the_cancellation_of_one_of_two_calls_reaches_that_one(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "silent")) as talk:
        waiting = asyncio.create_task(
            talk.conversation.request(request(7, "tools/call", {"name": "go", "arguments": {"wait": 1}}))
        )
        await talk.call("go")
        await talk.conversation.notify(notification("notifications/cancelled", {"requestId": 7}))
        assert (await waiting)["error"]["code"] == -32800
    assert {call.arguments.get("wait"): call.status for call in queries.calls(recording)} == {1: "cancelled", None: "done"}


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("exits", r"server 'bad' exited with code 7; it said: bad: no license found: .*bad.py exits"),
        ("garbage", r"server 'bad' does not speak MCP, it wrote \d+ bytes of something else: .*bad.py garbage"),
        ("hangs", r"server 'bad' did not answer within 0.5 s: .*bad.py hangs; it said: loading the model"),
    ],
)
async def test_a_server_that_does_not_start_is_named_with_its_command_and_last_words(
    mode: str, said: str, recording: Recording, spec: Specs
) -> None:
    import re

    seconds = 0.5 if mode == "hangs" else 30.0
    async with talking(recording, spec("bad", mode), begin=False, start_seconds=seconds) as talk:
        for _ in range(2):
            answer = await talk.ask("initialize", HELLO)
            assert answer["error"]["code"] == -32000
            assert re.search(said, answer["error"]["message"]), answer["error"]["message"]
    assert queries.connections(recording) == []


async def test_a_missing_command_and_a_missing_variable_are_told(recording: Recording) -> None:
    for broken, said in (
        (ServerSpec(name="gone", command="no-such-command"), "command not found: no-such-command"),
        (ServerSpec(name="gone", command="${NO_SUCH_VARIABLE}"), "NO_SUCH_VARIABLE"),
        (
            ServerSpec(name="gone", url="http://127.0.0.1:9/mcp", transport="http"),
            "cannot be reached at http://127.0.0.1:9/mcp",
        ),
    ):
        async with talking(recording, broken, begin=False) as talk:
            message = (await talk.ask("initialize", HELLO))["error"]["message"]
            assert said in message
            assert "'gone'" in message


async def test_a_server_that_dies_in_a_call_leaves_it_interrupted_and_says_why(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "dies")) as talk:
        await talk.call("go")
        answer = await talk.call("go", die=True)
        assert answer["error"]["code"] == -32000
        assert "exited with code 3; it said: fatal: the disk is on fire" in answer["error"]["message"]
        assert "exited with code 3" in (await talk.call("go"))["error"]["message"]
    assert [call.status for call in queries.calls(recording)] == ["done", "interrupted", "interrupted"]


async def test_stray_lines_before_the_protocol_are_skipped_with_one_note(
    recording: Recording, spec: Specs, capsys: pytest.CaptureFixture[str]
) -> None:
    async with talking(recording, spec("bad", "prints")) as talk:
        assert "result" in await talk.call("go")
    err = capsys.readouterr().err
    assert err.count("firefly:") == 1
    assert "'Welcome to the bad server!'" in err


async def test_a_flood_of_notifications_arrives_in_order_and_complete(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "floods")) as talk:
        assert "result" in await talk.call("go")
        numbers = [int(message["params"]["data"].split()[0]) for message, _ in talk.heard]
        assert numbers == list(range(5_000))
        assert {related for _, related in talk.heard} == {102}


async def test_a_line_without_an_end_is_given_up_and_does_not_fill_the_memory(
    recording: Recording, spec: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firefly_proxies.upstream_stdio.MESSAGE_LIMIT", 100_000)
    async with talking(recording, spec("bad", "long", "1000000"), begin=False) as talk:
        assert "a line of more than 100000 bytes" in (await talk.ask("initialize", HELLO))["error"]["message"]


async def test_no_process_is_left_of_a_server_that_ignores_signals(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "stubborn")) as talk:
        answer = await talk.call("go")
        pid = json.loads(answer["result"]["content"][0]["text"])["pid"]
        children = children_of(pid)
        assert children
        assert all(alive(process) for process in [pid, *children])
    await gone([pid, *children])


def fill_up(recording: Recording) -> None:
    """Leave the recording no page to grow by, as a full disk would."""
    recording.db.execute("PRAGMA max_page_count = 1")


async def test_when_the_recording_fails_the_call_is_not_made(recording: Recording, spec: Specs) -> None:
    async with talking(recording, spec("bad", "fine")) as talk:
        await talk.call("go")
        fill_up(recording)
        answer = await talk.call("go", text="x" * 10_000)
        assert answer["result"]["isError"] is True
        assert "the call was not made, because it cannot be recorded" in answer["result"]["content"][0]["text"]
        refused = await talk.ask("resources/read", {"uri": "x" * 10_000})
        assert "cannot be recorded" in refused["error"]["message"]


async def test_when_the_recording_fails_and_that_is_allowed_the_call_passes_with_a_note(
    recording: Recording, spec: Specs, capsys: pytest.CaptureFixture[str]
) -> None:
    async with talking(recording, spec("bad", "fine"), on_store_error="pass") as talk:
        fill_up(recording)
        for _ in range(2):
            assert "isError" not in (await talk.call("go", text="x" * 10_000))["result"]
    assert capsys.readouterr().err.count("not recorded") == 1


async def test_a_sandboxed_server_has_a_home_and_a_folder_of_its_own_and_no_keys(
    recording: Recording, spec: Specs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "SOME_TOKEN", "UV_PUBLISH_TOKEN"):
        monkeypatch.setenv(name, "secret")
    prepared: list[Path] = []
    places = []
    notes = spec("notes", env={"MY_KEY": "mine"})
    for _ in range(2):
        async with talking(
            recording, notes, sandbox=tmp_path / "boxes", prepare=lambda spec, work: prepared.append(work)
        ) as talk:
            places.append((await talk.call("where"))["result"]["structuredContent"])
    assert [place["keys"] for place in places] == [["MY_KEY"]] * 2
    assert len({work.parent for work in prepared}) == 2
    assert all(work.is_relative_to(tmp_path / "boxes") for work in prepared)
    # Each sees its own at one place, where the system can show it there.
    seen = [common_place() or work.parent for work in prepared]
    assert [place["cwd"] for place in places] == [str(root / "work") for root in seen]
    assert [place["home"] for place in places] == [str(root / "home") for root in seen]


async def test_without_a_sandbox_a_server_runs_as_the_user_would_run_it_less_the_keys_of_models(
    recording: Recording, spec: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("GITHUB_TOKEN", "needed")
    async with talking(recording, spec("notes")) as talk:
        place = (await talk.call("where"))["result"]["structuredContent"]
    assert (place["home"], place["cwd"]) == (str(Path.home()), str(Path.cwd()))
    assert "GITHUB_TOKEN" in place["keys"]
    assert "ANTHROPIC_API_KEY" not in place["keys"]


async def test_an_upstream_can_be_supplied(recording: Recording, spec: Specs) -> None:
    class Constant:
        ended = False

        async def request(self, message: JsonObject) -> JsonObject:
            if message["method"] == "fail":
                raise ServerError("supplied, and failed")
            return {"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2025-11-25", "made": "here"}}

        async def notify(self, message: JsonObject) -> None:
            return

        async def close(self) -> None:
            return

    async def connect(spec: ServerSpec, listener: Any) -> Constant:
        return Constant()

    async with talking(recording, spec("bad", "never-started"), connect=connect) as talk:
        assert (await talk.call("x"))["result"]["made"] == "here"
        assert (await talk.ask("fail"))["error"]["message"] == "firefly: supplied, and failed"
