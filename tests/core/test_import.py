"""Importing: call lines of any data set, and the files of other recorders."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.cli import main
from firefly_mcp.exchange.recorders import READERS
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind

RECORDED = Path(__file__).parents[1] / "data" / "recorders"
FILES = {"mcp-cassette": "mcp-cassette-{}.json", "mcp-recorder": "mcp-recorder-{}.json", "mcp-rec": "mcp-rec-{}.jsonl"}
WEATHER = {
    "server": "weather",
    "name": "forecast",
    "description": "The weather of a day.",
    "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}}},
}


def lines(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def call(tool: str, arguments: Any, server: str = "weather", **rest: Any) -> dict[str, Any]:
    return {"server": server, "tool": tool, "arguments": arguments, **rest}


def imported(capfd: pytest.CaptureFixture[str], *args: object) -> Any:
    assert main(["import", *map(str, args), "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def refused(capfd: pytest.CaptureFixture[str], *args: object) -> str:
    assert main(["import", *map(str, args)]) == 2
    return capfd.readouterr().err


def test_calls_of_a_data_set_become_a_recording_that_replays_in_any_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = lines(
        tmp_path / "calls.jsonl",
        call("forecast", {"city": "Oslo"}, result={"sky": "grey"}),
        call("frobnicate", {"n": 3}, result="done"),
        call("forecast", {"city": "Bern"}, result={"content": [{"type": "text", "text": "sun"}]}, at="2026-01-02T03:04:05Z"),
        call("forecast", {"city": "X"}, error="no such city"),
        call("forecast", {}, error={"code": -32602, "message": "city is missing"}),
        call("totals", None, result=[1, 2]),
    )
    tools = lines(tmp_path / "tools.jsonl", WEATHER)
    told = imported(capfd, file, "--tools", tools, "--store", tmp_path / "a.db")
    assert (told["format"], told["sessions"], told["calls"], told["tools"]) == ("calls", 1, 6, 3)
    with Recording(tmp_path / "a.db") as recording:
        session = Replay(recording, ReplayPolicy(), ReplayIndex(recording)).session()

        def ask(tool: str, arguments: dict[str, Any]) -> Any:
            answer = session.answer("weather", "tools/call", {"name": tool, "arguments": arguments})
            return answer.kind, answer.call and (answer.call.result or answer.call.error)

        assert ask("totals", {}) == (
            MatchKind.EXACT,
            {"content": [{"type": "text", "text": "[1,2]"}], "structuredContent": {"result": [1, 2]}},
        )
        assert ask("forecast", {"city": "X"})[1] == {"content": [{"type": "text", "text": "no such city"}], "isError": True}
        assert ask("forecast", {})[1] == {"code": -32602, "message": "city is missing"}
        assert ask("forecast", {"city": "Bern"})[1] == {"content": [{"type": "text", "text": "sun"}]}
        assert ask("forecast", {"city": " Oslo", "days": 1})[0] is MatchKind.NORMALIZED
        assert ask("frobnicate", {"n": 3})[1]["content"][0]["text"] == "done"
        inferred = queries.tool_map(recording)[("weather", "frobnicate")]  # type: ignore[index]
        assert inferred.input_schema == {"type": "object", "properties": {"n": {"type": "integer"}}}
        times = [one.started_at for one in queries.calls(recording)]
        assert (times[2], times[0]) == (1767323045.0, file.stat().st_mtime)


def test_calls_that_name_a_session_are_replayed_in_its_state(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = lines(
        tmp_path / "calls.jsonl",
        call("list_notes", {}, "notes", session="mon", result={"notes": []}),
        call("list_notes", {}, "notes", session="tue", result={"notes": ["tuesday's"]}),
        call("add_note", {"title": "bread"}, "notes", session="mon", result={"id": 1}),
        call("list_notes", {}, "notes", session="mon", result={"notes": ["bread"]}),
    )
    told = imported(capfd, file, "--store", tmp_path / "a.db")
    assert (told["sessions"], told["mixed"]) == (2, [])
    with Recording(tmp_path / "a.db") as recording:
        session = Replay(recording, ReplayPolicy(start="mon"), ReplayIndex(recording)).session()

        def ask(tool: str, arguments: dict[str, Any]) -> Any:
            answer = session.answer("notes", "tools/call", {"name": tool, "arguments": arguments})
            return answer.call and answer.call.result and answer.call.result["structuredContent"]

        assert ask("list_notes", {}) == {"notes": []}
        assert ask("add_note", {"title": "bread"}) == {"id": 1}
        assert ask("list_notes", {}) == {"notes": ["bread"]}


def test_secrets_of_a_data_set_are_redacted_before_they_are_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "ghp_" + "a1B2" * 9
    file = lines(tmp_path / "calls.jsonl", call("login", {"token": secret}, result={"said": f"hello {secret}"}))
    told = imported(capfd, file, "--store", tmp_path / "a.db")
    assert sum(told["redacted"].values()) >= 2
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.glob("a.db*"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"server": "a"', "not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"tool": "t", "result": 1}', "'server' is missing"),
        ('{"server": "a", "tool": "t", "arguments": "x", "result": 1}', "'arguments' is not a JSON object"),
        ('{"server": "a", "tool": "t", "arguments": {}}', "give either 'result' or 'error'"),
        ('{"server": "a", "tool": "t", "result": 1, "at": "noon"}', "'at' is no time"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    store = tmp_path / "a.db"
    imported(capfd, lines(tmp_path / "first.jsonl", call("t", {}, result=1)), "--store", store)
    before = store.read_bytes()
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(call("t", {"n": 1}, result=1)) + "\n\n" + line + "\n")
    told = refused(capfd, bad, "--format", "calls", "--store", store)
    assert f"{bad}:3: {said}" in told
    assert store.read_bytes() == before
    refused(capfd, bad, "--format", "calls", "--store", tmp_path / "new.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "bad.jsonl", "first.jsonl"]


def test_the_same_file_is_taken_once_and_another_is_added(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "a.db"
    file = lines(tmp_path / "calls.jsonl", call("t", {"n": 1}, result=1))
    imported(capfd, file, "--store", store)
    assert imported(capfd, file, "--store", store)["same"] == 1
    other = lines(tmp_path / "more.jsonl", call("t", {"n": 2}, result=2))
    assert imported(capfd, other, "--store", store)["renamed"]
    with Recording(store) as recording:
        assert [one.arguments for one in queries.calls(recording)] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("form", READERS)
def test_a_session_of_another_recorder_becomes_a_session(tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str) -> None:
    told = imported(capfd, RECORDED / FILES[form].format("notes"), "--store", tmp_path / "a.db")
    assert (told["format"], told["sessions"], told["calls"], told["tools"]) == (form, 1, 12, 5)
    with Recording(tmp_path / "a.db") as recording:
        (session,) = queries.sessions(recording)
        assert (session.kind, session.client_info["name"], session.protocol_version) == ("import", "mcp", "2025-11-25")
        (link,) = queries.connections(recording)
        assert (link.server, link.initialize["instructions"]) == ("notes", "Keeps short notes.")
        recorded = [one for one in queries.calls(recording) if one.tool]
        assert abs(recorded[0].started_at - time.mktime((2026, 11, 26, 10, 43, 0, 0, 0, 0))) < 86400
        assert all(one.duration_ms is not None for one in recorded)
        assert all((one.params.get("_meta") is None) for one in recorded)
        replayed = Replay(recording, ReplayPolicy(), ReplayIndex(recording)).session()
        for one in recorded:
            answer = replayed.answer("notes", "tools/call", one.params)
            assert answer.call is not None
            assert answer.call.id == one.id
        assert [one.method for one in queries.calls(recording) if not one.tool] == [
            "resources/list",
            "resources/read",
            "prompts/get",
        ]


@pytest.mark.parametrize("form", ["mcp-cassette", "mcp-rec"])
def test_what_a_server_says_during_its_calls_comes_along(tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str) -> None:
    imported(capfd, RECORDED / FILES[form].format("chatty"), "--store", tmp_path / "a.db")
    with Recording(tmp_path / "a.db") as recording:
        tools = {one.id: one.tool for one in queries.calls(recording)}
        sql = "SELECT call_id, direction, message FROM call_event ORDER BY direction <> 'aside', id"
        listed, *events = recording.db.execute(sql).fetchall()
    assert (listed[1], json.loads(str(listed[2]))["after"]) == ("aside", 0)
    told = [
        (tools[int(str(number))], direction, json.loads(str(message)).get("method")) for number, direction, message in events
    ]
    assert told == [
        ("count_to", "to_client", "notifications/message"),
        ("count_to", "to_client", "notifications/message"),
        ("ask_model", "to_client", "sampling/createMessage"),
        ("ask_model", "to_server", None),
        ("ask_user", "to_client", "elicitation/create"),
        ("ask_user", "to_server", None),
    ]


def test_a_recorders_server_can_be_given_another_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    imported(capfd, RECORDED / "mcp-rec-notes.jsonl", "--server", "my notes", "--store", tmp_path / "a.db")
    with Recording(tmp_path / "a.db") as recording:
        assert list(queries.servers(recording)) == ["my notes"]


def test_what_is_none_of_the_known_files_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = lines(tmp_path / "odd.json", {"hello": 1})
    assert "cannot be told what it is" in refused(capfd, odd, "--store", tmp_path / "a.db")
    assert "not an mcp-cassette file" in refused(capfd, odd, "--format", "mcp-cassette", "--store", tmp_path / "a.db")
    assert "not a cassette of Firefly" in refused(capfd, odd, "--format", "cassette", "--store", tmp_path / "a.db")
    assert "cannot be read" in refused(capfd, tmp_path / "none.json", "--store", tmp_path / "a.db")
    newer = lines(tmp_path / "newer.json", {"format_version": 9, "messages": []})
    assert "newer than 3" in refused(capfd, newer, "--store", tmp_path / "a.db")
    assert [path.name for path in tmp_path.iterdir() if "db" in path.name] == []
